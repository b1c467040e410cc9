// LiveSandbox: everything one sandbox holds on the host. Destroying it ends and removes all of it, at any point of the
// launch.
#pragma once

#include <linux/seccomp.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "cgroups/cgroup.h"
#include "launch/entry.h"
#include "launch/host_state.h"
#include "launch/launch.h"
#include "launch/pidfd.h"
#include "launch/script.h"
#include "launch/shared_exchange.h"
#include "namespaces/network.h"

namespace sandbox_run::launch {

using namespaces::NetworkIdentity;

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
  std::vector<UniqueFd> layers;        // of overlays, which are in memory as scratch is
  std::optional<seccomp_notif> pause;  // pid 2's, received and not answered yet
  UniqueFd program;                    // pidfd of pid 2
  UniqueFd executable;                 // the sealed memory file, until pid 2 is dead
  cgroups::CpuUsage set_up_usage;      // what the launch itself cost
  std::chrono::microseconds prepare_time{0};
  std::optional<NetworkIdentity> shared_network;  // that of its pool; none: it has a fresh one
  bool removed_later = false;                     // wait() leaves the group to the pool's thread
  // Of a pool's sandbox: the mount namespace ends with this, not with init. Taking the mounts apart takes the kernel
  // longer than all the rest of init's end (an RCU grace period).
  UniqueFd mount_namespace;
  Pidfd init;  // last: destroyed, hence dead, before all of the above
};

// What is different for a sandbox that waits in a pool.
struct PoolMembership {
  const namespaces::EmptyNetwork* network = nullptr;  // of the calling thread; nullptr: a fresh one
};

// All of prepare(). `pool`: nullptr for a sandbox of its own. Fails with: Fault::host and the step's name, or as
// `meanwhile` does.
Result<std::unique_ptr<LiveSandbox>> prepare_sandbox(const HostState& host, const Plan& plan,
                                                     const std::function<Status()>& meanwhile,
                                                     const PoolMembership* pool = nullptr);

// The end of prepare(): pid 2 stands in its paused call, is where it should be, and what the run uses is counted from
// here on; until start() nothing inside runs.
Status settle(LiveSandbox& sandbox);

// Whether pid 2 still stands there. Asks the kernel.
bool is_paused(const LiveSandbox& sandbox);

// The paused call becomes the program's exec: from the time that is returned on.
Result<std::chrono::steady_clock::time_point> release_program(LiveSandbox& sandbox, const Program& program,
                                                              const Streams& streams, RunObserver* observer);

// Supervises to the end. REQUIRES: release_program succeeded.
Result<Facts> supervise(LiveSandbox& sandbox, const Streams& streams, std::chrono::steady_clock::time_point start,
                        int cancel_fd, RunObserver* observer);

}  // namespace sandbox_run::launch
