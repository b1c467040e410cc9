// Collector: reads a hooked program's events while it runs, joins them with the system calls the kernel witnessed, and
// serves the requests that switch rules.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hooks/call_probe.h"
#include "hooks/control_page.h"
#include "hooks/hook_probe.h"
#include "hooks/ring.h"
#include "hooks/rules.h"
#include "hooks/sites.h"
#include "hooks/trace.h"

namespace sandbox_run::hooks {

struct CollectorOptions {
  std::size_t max_events = 100'000;  // kept, of each lane; the rest is counted
  std::vector<int> witnessed_calls;  // the system calls that witness() will be told of; empty: none are
  std::string control_socket;        // path; empty: nobody can switch anything
};

// Thread: owns one, which drains the ring every kDrainInterval and answers requests. The methods may be called from one
// other thread.
class Collector {
 public:
  // Fails with: Fault::host where the socket or the thread cannot be made.
  static Result<std::unique_ptr<Collector>> start(CollectorOptions options, RuleSet rules, Sites sites,
                                                  ControlPage control, Ring ring);
  virtual ~Collector() = default;

  // To pass to the program as kControlDescriptor and kRingDescriptor.
  virtual int control_fd() const = 0;
  virtual int ring_fd() const = 0;

  // To be called when the kernel reports the call and, where it can, before it is let through: what the caller's thread
  // wrote before is then in the ring. Returns what the join says.
  virtual JoinVerdict witness(const WitnessedCall& call) = 0;

  // The program is about to begin: times count from here. The probes, each of which may be absent, are attached to it.
  // To be called at most once.
  virtual void begin(std::optional<HookProbe> hooks, std::optional<CallProbe> calls) = 0;

  // Ends the thread, reads what is left and removes the socket. To be called once, when no process of the program
  // lives.
  // Without Trace::begun where what the kernel counted cannot be read.
  virtual Trace finish() = 0;
};

}  // namespace sandbox_run::hooks
