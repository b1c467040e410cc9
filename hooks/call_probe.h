// CallProbe: the kernel's own count of the system calls that a sandbox began, by number and instruction: a tracepoint
// on the way into every system call. What the filter refused is not among them. While one is attached, every process of
// the machine runs its few instructions on each system call.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "hooks/bpf.h"

namespace sandbox_run::hooks {

struct CallCount {
  std::int64_t number = 0;
  std::uint64_t instruction_pointer = 0;  // behind the instruction that made them
  std::uint64_t count = 0;
};

class CallProbe {
 public:
  // Of all processes in the pid namespace of `program`, but its first. Fails with: Fault::host.
  static Result<CallProbe> attach(pid_t program);

  // So far, in no order. Fails with: Fault::host.
  Result<std::vector<CallCount>> read() const;
  std::uint64_t lost() const { return words_[0]; }  // calls beyond the table's room

  static constexpr std::uint32_t kMostPlaces = 8192;  // pairs of number and instruction; honest programs have a hundred

 private:
  CallProbe(bpf::Words words, UniqueFd table, UniqueFd program, UniqueFd link)
      : words_(std::move(words)), table_(std::move(table)), program_(std::move(program)), link_(std::move(link)) {}

  bpf::Words words_;
  UniqueFd table_;
  UniqueFd program_;
  UniqueFd link_;
};

}  // namespace sandbox_run::hooks
