// LiveSandbox: everything one sandbox holds on the host. Destroying it ends and removes all of it, at any point of the
// launch.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "cgroups/cgroup.h"
#include "launch/entry.h"
#include "launch/host_state.h"
#include "launch/launch.h"
#include "launch/pidfd.h"
#include "launch/script.h"
#include "launch/shared_exchange.h"

namespace sandbox_run::launch {

struct LiveSandbox {
  LiveSandbox(const HostState& host_state, Plan the_plan, SharedExchange shared)
      : host(host_state), plan(std::move(the_plan)), exchange(std::move(shared)) {}

  const HostState& host;
  Plan plan;
  IdentitySlot slot;
  SharedExchange exchange;
  std::vector<ScriptRow> rows;
  EntryArguments entry;                     // the clone's stack: must outlive `init`
  std::unique_ptr<cgroups::Cgroup> cgroup;  // removed after `init` is dead; none where the plan gave it up
  UniqueFd control;                         // to init, until it has reported
  UniqueFd status;                          // read end of init's status pipe
  UniqueFd stdin_write, stdout_read, stderr_read;
  UniqueFd stdout_write;  // kept until start(): stderr may become it
  UniqueFd listener;
  UniqueFd scratch;
  std::vector<UniqueFd> layers;    // of overlays, which are in memory as scratch is
  UniqueFd program;                // pidfd of pid 2, from start() on
  UniqueFd executable;             // the sealed memory file, until pid 2 is dead
  cgroups::CpuUsage set_up_usage;  // what the launch itself cost
  std::chrono::microseconds prepare_time{0};
  Pidfd init;  // last: destroyed, hence dead, before all of the above
};

// All of prepare(). Fails with: Fault::host and the step's name, or as `meanwhile` does.
Result<std::unique_ptr<LiveSandbox>> prepare_sandbox(const HostState& host, const Plan& plan,
                                                     const std::function<Status()>& meanwhile);

// The paused call becomes the program's exec.
Status release_program(LiveSandbox& sandbox, const Program& program, const Streams& streams, RunObserver* observer);

// Supervises to the end. REQUIRES: release_program succeeded.
Result<Facts> supervise(LiveSandbox& sandbox, const Streams& streams, std::chrono::steady_clock::time_point start,
                        int cancel_fd, RunObserver* observer);

}  // namespace sandbox_run::launch
