#include "launch/pidfd.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>

namespace sandbox_run::launch {

Pidfd& Pidfd::operator=(Pidfd&& other) noexcept {
  if (this != &other) {
    if (fd_) {
      kill();
      reap(nullptr);
    }
    fd_ = std::move(other.fd_);
  }
  return *this;
}

Pidfd::~Pidfd() {
  if (!fd_) return;
  kill();
  reap(nullptr);
}

void Pidfd::kill() {
  if (fd_) ::syscall(SYS_pidfd_send_signal, fd_.get(), SIGKILL, nullptr, 0);
}

void Pidfd::reap(rusage* usage) {
  if (!fd_) return;
  siginfo_t info{};
  // The system call takes a rusage, waitid(3) does not. __WALL: the clone's exit signal is none until it executes init.
  while (::syscall(SYS_waitid, P_PIDFD, fd_.get(), &info, WEXITED | __WALL, usage) != 0 && errno == EINTR) {
  }
  fd_.reset();
}

}  // namespace sandbox_run::launch
