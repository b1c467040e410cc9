// SharedExchange: the supervisor's side of the exchange memory (exchange.h).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "launch/exchange.h"

namespace sandbox_run::launch {

class SharedExchange {
 public:
  static Result<SharedExchange> make();
  SharedExchange(SharedExchange&& other) noexcept;
  SharedExchange& operator=(SharedExchange&&) = delete;
  ~SharedExchange();

  int fd() const { return fd_.get(); }
  Exchange* get() const { return memory_; }
  const Row* rows() const;
  // argv and environment for pid 2's execveat. Fails with: Fault::input when there is more than a program can be given.
  Status write_program(const std::vector<std::string>& argv, const std::vector<std::string>& environment);
  void close_fd() { fd_.reset(); }  // init has it mapped

 private:
  SharedExchange(UniqueFd fd, Exchange* memory) : fd_(std::move(fd)), memory_(memory) {}
  UniqueFd fd_;
  Exchange* memory_;
};

}  // namespace sandbox_run::launch
