// launch: Plan → Facts. One launch, two halves: prepare() does everything that does not depend on the program, start()
// the rest, wait() supervises to the end. A prepared sandbox is used once.
#pragma once

#include <cstdint>
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

struct PoolSize {
  unsigned ahead = 1;                // how many wait prepared, at most
  std::uint64_t total = UINT64_MAX;  // how many there will be at most
};

// Sandboxes of one plan, prepared on a thread of the pool's before there is a program for them; launch/pool.cc has how.
// The clocks and counters of a run begin at its start(), however long it waited.
// Thread: any; each sandbox is its taker's. REQUIRES: it outlives the sandboxes that it hands out.
class Pool {
 public:
  virtual ~Pool() = default;  // ends and removes every sandbox that nobody took; waits for that
  // One that nobody else gets and that stands paused at this moment; waits where none does yet. What the taken one
  // leaves behind is removed by the pool's thread after wait().
  // Fails with: what preparing failed with; a later call tries again.
  virtual Result<std::unique_ptr<Sandbox>> take() = 0;
  virtual unsigned prepared() const = 0;
  // As the destructor, and says what could not be removed. Nothing can be taken afterwards.
  virtual Status close() = 0;
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
  // Ids of its sandboxes are the plan's and a number. REQUIRES: the host outlives it.
  virtual Result<std::unique_ptr<Pool>> pool(const Plan& plan, const PoolSize& size) = 0;
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
