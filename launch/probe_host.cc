// probe_host(): what `doctor` lists. Namespaces one by one, so that the missing one is named; then one whole launch up
// to the pause, which tries every other wall and every hardening as a run would.
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "launch/launch.h"
#include "launch/live_sandbox.h"
#include "namespaces/probe.h"

namespace sandbox_run::launch {
namespace {

constexpr char kNamespaceRemedy[] =
    "sysctl user.max_user_namespaces=65536 kernel.apparmor_restrict_unprivileged_userns=0, or run as root; in a "
    "container: docker run --privileged --cgroupns=private";

Probe probe_of(std::string name, bool is_wall, const Status& status, std::string seen, std::string remedy) {
  Probe probe;
  probe.name = std::move(name);
  probe.is_wall = is_wall;
  probe.present = status.has_value();
  probe.detail = probe.present ? std::move(seen) : status.error().what;
  if (!probe.present) probe.remedy = std::move(remedy);
  return probe;
}

void probe_namespaces(std::vector<Probe>& probes) {
  const struct {
    const char* name;
    int flag;
  } kinds[] = {{"user namespace", 0},
               {"mount namespace", CLONE_NEWNS},
               {"pid namespace", CLONE_NEWPID},
               {"network namespace", CLONE_NEWNET},
               {"ipc namespace", CLONE_NEWIPC},
               {"uts namespace", CLONE_NEWUTS},
               {"cgroup namespace", CLONE_NEWCGROUP}};
  for (const auto& kind : kinds)
    probes.push_back(
        probe_of(kind.name, true, namespaces::probe_namespaces(kind.flag), "made in a child", kNamespaceRemedy));
}

// The smallest plan that goes through every step.
Plan probe_plan(bool with_cgroup) {
  Plan plan;
  plan.id = "doctor-" + std::to_string(::getpid());
  plan.profile_name = "go-run";
  if (const auto* filter = seccomp_profiles::builtin_filter("go-run")) plan.filter = *filter;
  plan.memory = Bytes{64u << 20};
  plan.scratch = Bytes{1u << 20};
  plan.cgroup = {plan.memory + plan.scratch, 16, 1};
  plan.cpu_time = {std::chrono::seconds(1)};
  plan.wall_time = {std::chrono::seconds(1)};
  plan.output = Bytes{4096};
  plan.network = Network::loopback;
  plan.mounts.push_back(TmpfsMount{"/tmp", plan.scratch, 64, {"/work"}, false});
  if (!with_cgroup) plan.weaken.push_back("cgroup");
  return plan;
}

void probe_launch(const HostState& state, std::vector<Probe>& probes) {
  auto sandbox = prepare_sandbox(state, probe_plan(state.hierarchy != nullptr), nullptr);
  const Status whole = sandbox ? Status{} : Status(sandbox.error());
  probes.push_back(probe_of("root, identity, filter", true, whole, "a whole launch up to the program's exec",
                            "see the step's own words; docs name the privileges a container needs"));
  if (!sandbox) return;
  const LiveSandbox& live = **sandbox;
  for (const Hardening& hardening : kHardenings) {
    int error = ENOSYS;  // a step that this kernel was not even asked for
    for (std::size_t row = 0; row < live.rows.size(); ++row)
      if (hardening_of(live.rows[row].step) == &hardening) {
        error = live.exchange.rows()[row].result;
        if (error != 0) break;
      }
    const Status seen = error == 0 ? Status{} : Status(host_error(std::strerror(error)));
    probes.push_back(probe_of(std::string(hardening.name), false, seen, "in force in a launch", hardening.remedy));
  }
}

}  // namespace

std::vector<Probe> probe_host() {
  std::vector<Probe> probes;
  probe_namespaces(probes);
  auto state = open_host_state();
  if (!state) {
    probes.push_back(probe_of("host", true, state.error(), "", ""));
    return probes;
  }
  Status cgroup;
  if (!state->hierarchy) cgroup = host_error(state->hierarchy_error);
  probes.push_back(probe_of("cgroup limits", true, cgroup,
                            state->hierarchy ? "version " + std::to_string(state->hierarchy->version()) : "",
                            "run as root, or in a delegated group: systemd-run --user --scope -p Delegate=yes …"));
  probe_launch(*state, probes);
  return probes;
}

}  // namespace sandbox_run::launch
