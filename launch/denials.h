// Denials: the calls that the filter handed to the supervisor, and their answers. Nothing here looks at the program's
// memory: a notification's registers are all there is, and all that is believed.
#pragma once

#include <linux/seccomp.h>

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "launch/facts.h"
#include "launch/plan.h"

namespace sandbox_run::launch {

// ioctl(2) on the listener. Interrupted, it is repeated: an answer that got lost would leave its caller waiting for
// ever, and adding a descriptor at a fixed number twice is adding it once.
int listener_ioctl(int listener, unsigned long request, void* argument);

class Denials {
 public:
  // `watched` and `observer` are borrowed: Plan::watched, and nullptr where nobody watches.
  Denials(int listener, OnDenied on_denied, const seccomp_profiles::Filter& watched, RunObserver* observer,
          std::chrono::steady_clock::time_point start)
      : listener_(listener), on_denied_(on_denied), watched_(watched), observer_(observer), start_(start) {}

  // Takes and answers what is pending, a bounded number at a time. Not `none`: the run has to end for this reason.
  EndedBySupervisor serve();

  const std::vector<DeniedCall>& calls() const { return calls_; }

  static constexpr std::uint64_t kMost = 1000;  // denied calls of a run; watched ones are as many as it likes

 private:
  EndedBySupervisor judge(const seccomp_notif& request);
  std::uint32_t profile_says(const seccomp_data& data) const;
  EndedBySupervisor deny(const seccomp_notif& request);
  void note(const seccomp_data& data);

  int listener_;
  OnDenied on_denied_;
  const seccomp_profiles::Filter& watched_;
  RunObserver* observer_;
  std::chrono::steady_clock::time_point start_;
  std::vector<DeniedCall> calls_;
  std::uint64_t total_ = 0;
};

}  // namespace sandbox_run::launch
