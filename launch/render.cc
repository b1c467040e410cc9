// The plan as text: what --dry-run prints. Pure: it shows the steps for the newest Landlock and a root that maps a
// set-up identity; a launch leaves out what its host lacks, and says so in the report.
#include <fmt/format.h>
#include <linux/audit.h>
#include <sys/syscall.h>

#include "launch/launch.h"
#include "launch/mount_plan.h"
#include "launch/script.h"
#include "seccomp-profiles/filter.h"

namespace sandbox_run::launch {
namespace {

constexpr int kNewestLandlock = 6;

const char* actor_name(Actor actor) {
  switch (actor) {
    case Actor::supervisor:
      return "supervisor";
    case Actor::entry:
      return "entry";
    case Actor::init:
      return "init";
    case Actor::program:
      return "pid 2";
  }
  return "";
}

std::vector<std::string> names_of(const std::vector<int>& calls) {
  std::vector<std::string> names;
  for (const int number : calls) names.push_back(seccomp_profiles::syscall_name(AUDIT_ARCH_X86_64, number));
  return names;
}

std::string limits_text(const Plan& plan) {
  return fmt::format(
      "limits      memory {} + scratch {}, {} processes, {} CPUs, CPU time {}, wall time {}, output {}, files {}, "
      "open files {}\n",
      format_bytes(plan.memory), format_bytes(plan.scratch), plan.cgroup.processes, plan.cgroup.cpus,
      format_duration(plan.cpu_time.value), format_duration(plan.wall_time.value), format_bytes(plan.output),
      format_bytes(plan.rlimits.file_size), plan.rlimits.open_files);
}

std::string step_line(Step step, const std::string& shown) {
  const StepFacts& facts = facts_of(step);
  return fmt::format("  {:<10} {:<22} {}{}# {}\n", actor_name(facts.actor), facts.name, shown,
                     shown.empty() ? "" : "  ", facts.why);
}

// The steps of the table in order; one that the script has rows for appears once for each.
std::string steps_text(const std::vector<ScriptRow>& rows) {
  std::string text;
  for (unsigned number = 0; number < kStepCount; ++number) {
    const auto step = static_cast<Step>(number);
    const Actor actor = facts_of(step).actor;
    if ((actor == Actor::supervisor || actor == Actor::entry) || step == Step::program_pause ||
        step == Step::program_exec) {
      text += step_line(step, "");
      continue;
    }
    for (const ScriptRow& row : rows)
      if (row.step == step) text += step_line(step, row.shown);
  }
  return text;
}

}  // namespace

Result<std::string> render(const Plan& plan) {
  TRY(const MountPlan mounts, plan_mounts(plan));
  LoweringFacts facts;
  facts.landlock_abi = kNewestLandlock;
  for (std::size_t index = 0; index < mounts.mounts.size(); ++index) facts.mounts.push_back({index, 0, 0});
  std::string text = fmt::format("sandbox     {}\nprofile     {}, denied calls {}{}\n", plan.id, plan.profile_name,
                                 plan.on_denied == OnDenied::kill ? "end the run" : "fail with EPERM",
                                 seccomp_profiles::hands_over(plan.filter, SYS_execve) ? ", one exec" : "");
  if (!plan.watched_calls.empty())
    text += fmt::format("watched     {}\n", fmt::join(names_of(plan.watched_calls), ", "));
  text += limits_text(plan);
  text += fmt::format("network     {}\ndirectory   {}\nweakened    {}\nrequired    {}\n",
                      gives_up(plan, Wall::network)       ? "the host's"
                      : plan.network == Network::loopback ? "loopback, fresh"
                                                          : "none, fresh",
                      plan.working_directory,
                      plan.weaken.empty() ? "nothing" : fmt::format("{}", fmt::join(plan.weaken, ", ")),
                      plan.require.empty() ? "nothing" : fmt::format("{}", fmt::join(plan.require, ", ")));
  return text + "steps\n" + steps_text(lower(plan, mounts, facts));
}

}  // namespace sandbox_run::launch
