// Outcome: how a run ended, judged from the kernel's facts and our own acts alone.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "launch/facts.h"
#include "report/report.h"

namespace sandbox_run::runner {

struct Exited {
  int code = 0;
};
struct Signalled {
  int signal = 0;
};
struct CpuTimeExceeded {};
struct WallTimeExceeded {};
struct MemoryExceeded {};
struct OutputExceeded {};
struct ProcessLimitExceeded {};
struct FileLimitExceeded {};
struct SyscallDenied {};
struct Canceled {};
struct NoStatus {};  // nothing ended the run and init did not report: our own failure

using Outcome = std::variant<Exited, Signalled, CpuTimeExceeded, WallTimeExceeded, MemoryExceeded, OutputExceeded,
                             ProcessLimitExceeded, FileLimitExceeded, SyscallDenied, Canceled, NoStatus>;

// Pure. Precedence: canceled; the reason the supervisor recorded before it killed; an OOM kill in the cgroup; the
// kernel's own processor-time kill (RLIMIT_CPU, the backstop while the supervisor was stopped); the wait status, where
// a refused task, a full scratch space or a file too large explains a failure. Exit 0 is Exited{0} even if a limit was
// touched: limits_hit says so.
Outcome classify(const launch::Facts& facts, const report::LimitsSection& limits);

// Every limit that was reached, whatever the outcome: "cpu_time", "wall_time", "memory", "output", "pids", "file".
std::vector<std::string> limits_hit(const launch::Facts& facts, const report::LimitsSection& limits);

report::Verdict verdict_of(const Outcome& outcome);

// One line for a person: what happened, by how much, what to do. Empty for Exited{0}.
std::string describe(const Outcome& outcome, const launch::Facts& facts, const report::LimitsSection& limits);

}  // namespace sandbox_run::runner
