// Walls that a plan can give up by name, and hardenings, which a run has wherever the host has them: one table each for
// --weaken, --require, doctor and reports.
#pragma once

#include <string_view>

#include "launch/steps.h"

namespace sandbox_run::launch {

// X(enumerator, also the name)
#define SANDBOX_RUN_LAUNCH_WALLS(X) X(cgroup) X(network) X(ipc) X(uts) X(seccomp)

enum class Wall {
#define SANDBOX_RUN_WALL_ENUMERATOR(enumerator) enumerator,
  SANDBOX_RUN_LAUNCH_WALLS(SANDBOX_RUN_WALL_ENUMERATOR)
#undef SANDBOX_RUN_WALL_ENUMERATOR
};

inline constexpr std::string_view kWallNames[] = {
#define SANDBOX_RUN_WALL_NAME(enumerator) #enumerator,
    SANDBOX_RUN_LAUNCH_WALLS(SANDBOX_RUN_WALL_NAME)
#undef SANDBOX_RUN_WALL_NAME
};

constexpr std::string_view name_of(Wall wall) { return kWallNames[static_cast<unsigned>(wall)]; }

// A hardening is in force where every row of its steps succeeded.
struct Hardening {
  std::string_view name;
  Step first_step, last_step;
  const char* remedy;  // what gives it to a host that lacks it
};

// In the order of Facts::hardening.
inline constexpr Hardening kHardenings[] = {
    {"session-keyring", Step::session_keyring, Step::session_keyring, "a kernel with CONFIG_KEYS"},
    {"no-nested-namespaces", Step::namespace_no_nesting, Step::namespace_no_nesting,
     "a writable /proc/sys: docker run --privileged"},
    {"oom-score", Step::proc_oom_score, Step::proc_oom_score, "a /proc without masks: docker run --privileged"},
    {"core-scheduling", Step::core_scheduling, Step::core_scheduling,
     "only of use where SMT is on, with CONFIG_SCHED_CORE"},
    {"speculation-controls", Step::speculation_controls, Step::speculation_controls,
     "not mitigations=off; on x86 spec_store_bypass_disable=prctl (the default)"},
    {"memory-no-exec-gain", Step::memory_no_exec_gain, Step::memory_no_exec_gain, "Linux 6.3 or newer"},
    {"landlock", Step::landlock_create, Step::landlock_restrict,
     "a kernel with CONFIG_SECURITY_LANDLOCK and landlock in the lsm= list"},
    {"filter-wait-killable", Step::filter_wait_killable, Step::filter_wait_killable, "Linux 5.19 or newer"},
};

// The hardening that a step stands for; null for a wall's step.
constexpr const Hardening* hardening_of(Step step) {
  for (const Hardening& hardening : kHardenings)
    if (hardening.first_step <= step && step <= hardening.last_step) return &hardening;
  return nullptr;
}

}  // namespace sandbox_run::launch
