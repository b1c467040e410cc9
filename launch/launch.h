// launch: Plan → Facts. One launch, two halves: prepare() does everything that does not depend on the program, start()
// the rest, wait() supervises to the end. A prepared sandbox is used once.
#pragma once

#include <functional>
#include <memory>

#include "base/narrator.h"
#include "base/result.h"
#include "launch/facts.h"
#include "launch/plan.h"

namespace sandbox_run::launch {

class Sandbox {
 public:
  virtual ~Sandbox() = default;  // ends it: everything of the run is dead and removed afterwards

  // `observer` is borrowed until wait() is over; nullptr: nobody watches.
  virtual Status start(const Program& program, const Streams& streams, RunObserver* observer = nullptr) = 0;
  // Supervises until the run has ended and everything of it is dead and removed. The first signal that the
  // supervisor gets (through `cancel_fd`, a signalfd or -1) goes to the program; a second, or 2 s later, ends it.
  virtual Result<Facts> wait(int cancel_fd) = 0;
  // After wait(): the root of the run's scratch file system, what the program left in it; -1 without one. It goes with
  // this object.
  virtual int scratch() const = 0;
};

// What the host gives, opened once and shared by all launches of a process.
class Host {
 public:
  // Changes the process: SIGPIPE is ignored; as root, supplementary groups are dropped and the process is undumpable;
  // not as root, it enters a user and a mount namespace of its own with unchanged ids (REQUIRES: a single thread).
  // Ends orphans: groups whose supervisor is gone.
  static Result<std::unique_ptr<Host>> open();
  virtual ~Host() = default;
  virtual cgroups::Hierarchy* hierarchy() = 0;  // nullptr where the host has none that can be used
  // Thread: the sandbox dies with the thread that prepared it (PR_SET_PDEATHSIG); at most 64 are alive in a process.
  // `meanwhile` is called while init goes through its script, in which time there is nothing else to do here.
  // Fails with: Fault::host and the failed step's name ("launch root.pivot: …") where a wall cannot be had; else with
  // what `meanwhile` fails with.
  virtual Result<std::unique_ptr<Sandbox>> prepare(const Plan& plan,
                                                   const std::function<Status()>& meanwhile = nullptr) = 0;
};

// Text of the plan and of every launch step in order, for --dry-run and golden tests. Fails as plan_mounts() does.
Result<std::string> render(const Plan& plan);

// One wall or hardening, probed by doing: for `doctor`.
struct Probe {
  std::string name;
  bool is_wall = true;
  bool present = false;
  std::string detail;  // what was seen
  std::string remedy;  // the command or setting that gives it, where absent
};
std::vector<Probe> probe_host();

}  // namespace sandbox_run::launch
