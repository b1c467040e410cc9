// Pidfd: owns a child process by descriptor. Never a number that the kernel may have given to somebody else.
#pragma once

#include <csignal>

#include "base/result.h"
#include "base/unique_fd.h"

struct rusage;

namespace sandbox_run::launch {

class Pidfd {
 public:
  Pidfd() = default;
  explicit Pidfd(int fd) : fd_(fd) {}
  Pidfd(Pidfd&&) noexcept = default;
  Pidfd& operator=(Pidfd&& other) noexcept;
  ~Pidfd();  // kills and reaps

  int get() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  // SIGKILL; a process that is gone already is no error.
  void kill();
  // Waits until it is dead and takes its status; afterwards this is empty.
  void reap(rusage* usage);

 private:
  UniqueFd fd_;
};

}  // namespace sandbox_run::launch
