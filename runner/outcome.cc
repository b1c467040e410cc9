#include "runner/outcome.h"

#include <fmt/format.h>
#include <signal.h>

namespace sandbox_run::runner {
namespace {

using launch::EndedBySupervisor;
using launch::Facts;
using report::LimitsSection;

// RLIMIT_CPU ends a process by SIGXCPU, and by SIGKILL a second later.
bool killed_by_cpu_rlimit(const Facts& facts, const LimitsSection& limits) {
  return facts.status && !facts.status->exited &&
         (facts.status->signal == SIGXCPU || facts.status->signal == SIGKILL) && facts.usage.cpu >= limits.cpu_time;
}

Outcome by_status(const Facts& facts) {
  if (succeeded(facts)) return Exited{0};
  if (facts.file_size_hit || facts.scratch_full) return FileLimitExceeded{};
  if (facts.usage.process_limit_hits > 0) return ProcessLimitExceeded{};
  if (facts.status->exited) return Exited{facts.status->exit_code};
  return Signalled{facts.status->signal};
}

}  // namespace

Outcome classify(const Facts& facts, const LimitsSection& limits) {
  switch (facts.ended) {
    case EndedBySupervisor::canceled:
      return Canceled{};
    case EndedBySupervisor::cpu_time:
      return CpuTimeExceeded{};
    case EndedBySupervisor::wall_time:
      return WallTimeExceeded{};
    case EndedBySupervisor::memory:
      return MemoryExceeded{};
    case EndedBySupervisor::output:
      return OutputExceeded{};
    case EndedBySupervisor::denied_call:
    case EndedBySupervisor::denied_call_flood:
    case EndedBySupervisor::foreign_call:
      return SyscallDenied{};
    case EndedBySupervisor::none:
      break;
  }
  if (facts.usage.oom_kills > 0 && !succeeded(facts)) return MemoryExceeded{};
  if (killed_by_cpu_rlimit(facts, limits)) return CpuTimeExceeded{};
  if (!facts.status) return NoStatus{};
  return by_status(facts);
}

std::vector<std::string> limits_hit(const Facts& facts, const LimitsSection& limits) {
  std::vector<std::string> hit;
  if (facts.ended == EndedBySupervisor::cpu_time || facts.usage.cpu >= limits.cpu_time) hit.emplace_back("cpu_time");
  if (facts.ended == EndedBySupervisor::wall_time || facts.wall_time >= limits.wall_time.value)
    hit.emplace_back("wall_time");
  if (facts.ended == EndedBySupervisor::memory || facts.usage.oom_kills > 0) hit.emplace_back("memory");
  if (facts.ended == EndedBySupervisor::output) hit.emplace_back("output");
  if (facts.usage.process_limit_hits > 0) hit.emplace_back("pids");
  if (facts.file_size_hit || facts.scratch_full) hit.emplace_back("file");
  return hit;
}

namespace {

struct ToVerdict {
  report::Verdict operator()(const Exited& e) const {
    return e.code == 0 ? report::Verdict::ok : report::Verdict::runtime_error;
  }
  report::Verdict operator()(const Signalled&) const { return report::Verdict::signalled; }
  report::Verdict operator()(const CpuTimeExceeded&) const { return report::Verdict::cpu_time_exceeded; }
  report::Verdict operator()(const WallTimeExceeded&) const { return report::Verdict::wall_time_exceeded; }
  report::Verdict operator()(const MemoryExceeded&) const { return report::Verdict::memory_exceeded; }
  report::Verdict operator()(const OutputExceeded&) const { return report::Verdict::output_exceeded; }
  report::Verdict operator()(const ProcessLimitExceeded&) const { return report::Verdict::process_limit_exceeded; }
  report::Verdict operator()(const FileLimitExceeded&) const { return report::Verdict::file_limit_exceeded; }
  report::Verdict operator()(const SyscallDenied&) const { return report::Verdict::syscall_denied; }
  report::Verdict operator()(const Canceled&) const { return report::Verdict::canceled; }
  report::Verdict operator()(const NoStatus&) const { return report::Verdict::internal_error; }
};

struct Describe {
  const Facts& facts;
  const LimitsSection& limits;

  std::string after() const { return "after " + format_duration(facts.wall_time); }

  std::string operator()(const Exited& e) const { return e.code == 0 ? "" : fmt::format("exit status {}", e.code); }
  std::string operator()(const Signalled& s) const { return "killed by " + report::signal_name(s.signal); }
  std::string operator()(const CpuTimeExceeded&) const {
    return fmt::format("processor time limit exceeded: {} used {}, limit {}; raise with --cpu-time",
                       format_duration(facts.usage.cpu.value), after(), format_duration(limits.cpu_time.value));
  }
  std::string operator()(const WallTimeExceeded&) const {
    return fmt::format("wall time limit exceeded: {} ({} of processor time used); raise with --wall-time",
                       format_duration(limits.wall_time.value), format_duration(facts.usage.cpu.value));
  }
  std::string operator()(const MemoryExceeded&) const {
    return fmt::format("memory limit exceeded: {} {}; raise with --memory", format_bytes(limits.memory), after());
  }
  std::string operator()(const OutputExceeded&) const {
    return fmt::format("output limit exceeded: {} {}; raise with --output", format_bytes(limits.output), after());
  }
  std::string operator()(const ProcessLimitExceeded&) const {
    return fmt::format("process limit exceeded: {} threads and processes, {} refused; raise with --pids",
                       limits.processes, facts.usage.process_limit_hits);
  }
  std::string operator()(const FileLimitExceeded&) const {
    const std::string amount = format_bytes(limits.scratch);
    return "file limit exceeded: " +
           (facts.scratch_full ? fmt::format("/tmp and /work hold {} together", amount)
                               : fmt::format("a file would have grown beyond {}", amount)) +
           "; raise with --scratch";
  }
  std::string operator()(const SyscallDenied&) const;
  std::string operator()(const Canceled&) const {
    return facts.cancel_signal == 0 ? "canceled" : "canceled by " + report::signal_name(facts.cancel_signal);
  }
  std::string operator()(const NoStatus&) const {
    return "the sandbox ended without a status and no limit explains it: this is a failure of sandbox-run or of the "
           "host, "
           "not of the program; 'sandbox-run doctor' checks the host";
  }
};

std::string Describe::operator()(const SyscallDenied&) const {
  if (facts.ended == EndedBySupervisor::denied_call_flood) {
    std::uint64_t calls = 0;
    for (const launch::DeniedCall& call : facts.denied) calls += call.count;
    return fmt::format("system calls denied: {} denied calls ended the run", calls);
  }
  // The last kind that was seen is the one that ended the run.
  if (facts.denied.empty()) return "system call denied";
  const launch::DeniedCall& call = facts.denied.back();
  const std::string name = call.syscall.empty() ? fmt::format("number {}", call.number) : call.syscall;
  if (facts.ended == EndedBySupervisor::foreign_call)
    return fmt::format("system call denied: {} of architecture {} (only x86_64 is let through)", name, call.arch);
  return fmt::format("system call denied: {} ({}); --on-denied error lets the program go on with an error", name,
                     after());
}

}  // namespace

report::Verdict verdict_of(const Outcome& outcome) { return std::visit(ToVerdict{}, outcome); }

std::string describe(const Outcome& outcome, const Facts& facts, const LimitsSection& limits) {
  return std::visit(Describe{facts, limits}, outcome);
}

}  // namespace sandbox_run::runner
