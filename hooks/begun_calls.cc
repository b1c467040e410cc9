#include "hooks/begun_calls.h"

#include <sys/syscall.h>

#include <algorithm>

namespace sandbox_run::hooks {
namespace {

// Where the kernel maps what it gives a process by itself; a program is at fixed low addresses, and can make no other
// memory executable.
constexpr std::uint64_t kMappings = 0x7000'0000'0000;

// The call by which a probe on a NOP enters the kernel, since Linux 6.18, from a page of its own; from elsewhere it is
// SIGILL.
constexpr int kUprobe = 336;

// The vDSO falls back to these calls where it cannot read the clock by itself (linux/arch/x86/entry/vdso).
bool is_kernels(const CallCount& calls) {
  if (calls.number == kUprobe) return true;
  if (calls.instruction_pointer < kMappings) return false;
  for (const int number : {SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_time, SYS_getcpu})
    if (calls.number == number) return true;
  return false;
}

CallMaker maker_of(const CallCount& calls, const Sites& sites) {
  const auto among = [&](const std::vector<std::uint64_t>& returns) {
    return std::binary_search(returns.begin(), returns.end(), calls.instruction_pointer);
  };
  if (among(sites.system_call_returns)) return CallMaker::program;
  if (sites.is_runtime_call(calls.number, calls.instruction_pointer)) return CallMaker::runtime;
  if (among(sites.hook_call_returns)) return CallMaker::hooks;
  return is_kernels(calls) ? CallMaker::kernel : CallMaker::own;
}

}  // namespace

std::vector<CallPlace> places_of(const std::vector<CallCount>& counts, const Sites& sites) {
  std::vector<CallPlace> places;
  bool launched = false;
  for (const CallCount& one : counts) {
    CallPlace row{"", one.number, one.instruction_pointer, one.count, maker_of(one, sites), {}};
    if (row.number == SYS_execveat && row.maker == CallMaker::own && !launched) {
      launched = true;
      --row.count;
    }
    if (row.count > 0) places.push_back(std::move(row));
  }
  std::sort(places.begin(), places.end(), [](const CallPlace& a, const CallPlace& b) {
    if (a.count != b.count) return a.count > b.count;
    return a.number != b.number ? a.number < b.number : a.instruction_pointer < b.instruction_pointer;
  });
  return places;
}

}  // namespace sandbox_run::hooks
