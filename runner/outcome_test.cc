// One table: every verdict, every tie.
#include "runner/outcome.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace sandbox_run::runner {
namespace {

using launch::EndedBySupervisor;
using launch::Facts;
using report::Verdict;

report::LimitsSection limits() {
  report::LimitsSection limits;
  limits.cpu_time = CpuTime{std::chrono::seconds(10)};
  limits.wall_time = WallTime{std::chrono::seconds(20)};
  limits.memory = Bytes{256 << 20};
  limits.scratch = Bytes{64 << 20};
  limits.output = Bytes{64 << 20};
  limits.processes = 64;
  return limits;
}

Facts exited(int code) {
  Facts facts;
  facts.status = launch::ProgramStatus{.exited = true, .exit_code = code};
  return facts;
}
Facts killed(int signal) {
  Facts facts;
  facts.status = launch::ProgramStatus{.exited = false, .signal = signal};
  return facts;
}
Facts ended(EndedBySupervisor reason, Facts facts = killed(SIGKILL)) {
  facts.ended = reason;
  return facts;
}
Facts with_oom(Facts facts) {
  facts.usage.oom_kills = 1;
  return facts;
}
Facts with_cpu(std::chrono::microseconds cpu, Facts facts) {
  facts.usage.cpu.value = cpu;
  return facts;
}
Facts with_refused_tasks(Facts facts) {
  facts.usage.process_limit_hits = 3;
  return facts;
}
Facts with_full_scratch(Facts facts) {
  facts.scratch_full = true;
  return facts;
}
Facts with_file_size(Facts facts) {
  facts.file_size_hit = true;
  return facts;
}
Facts without_status(Facts facts) {
  facts.status.reset();
  return facts;
}

struct Case {
  const char* name;
  Facts facts;
  Verdict verdict;
};

class Classify : public ::testing::TestWithParam<Case> {};

TEST_P(Classify, GivesTheVerdict) {
  Outcome outcome = classify(GetParam().facts, limits());
  EXPECT_EQ(report::verdict_name(verdict_of(outcome)), report::verdict_name(GetParam().verdict));
  EXPECT_EQ(describe(outcome, GetParam().facts, limits()).empty(), GetParam().verdict == Verdict::ok);
}

using std::chrono::seconds;

INSTANTIATE_TEST_SUITE_P(
    Table, Classify,
    ::testing::Values(
        // every verdict
        Case{"ExitZero", exited(0), Verdict::ok}, Case{"ExitOne", exited(1), Verdict::runtime_error},
        Case{"ASegmentationFault", killed(SIGSEGV), Verdict::signalled},
        Case{"CpuDeadline", ended(EndedBySupervisor::cpu_time), Verdict::cpu_time_exceeded},
        Case{"WallDeadline", ended(EndedBySupervisor::wall_time), Verdict::wall_time_exceeded},
        Case{"MemoryWatch", ended(EndedBySupervisor::memory), Verdict::memory_exceeded},
        Case{"OomKill", with_oom(killed(SIGKILL)), Verdict::memory_exceeded},
        Case{"OutputCap", ended(EndedBySupervisor::output), Verdict::output_exceeded},
        Case{"RefusedTasks", with_refused_tasks(exited(2)), Verdict::process_limit_exceeded},
        Case{"FullScratch", with_full_scratch(exited(1)), Verdict::file_limit_exceeded},
        Case{"FileTooLarge", with_file_size(killed(SIGXFSZ)), Verdict::file_limit_exceeded},
        Case{"FileAtItsLimitAndExitOne", with_file_size(exited(1)), Verdict::file_limit_exceeded},
        Case{"DeniedCall", ended(EndedBySupervisor::denied_call), Verdict::syscall_denied},
        Case{"DeniedCallFlood", ended(EndedBySupervisor::denied_call_flood), Verdict::syscall_denied},
        Case{"ForeignCall", ended(EndedBySupervisor::foreign_call), Verdict::syscall_denied},
        Case{"Canceled", ended(EndedBySupervisor::canceled), Verdict::canceled},
        Case{"NoStatusNoCause", Facts{}, Verdict::internal_error},
        // what a program can do to itself is its own end, never ours
        Case{"Exit137ByItself", exited(137), Verdict::runtime_error},
        Case{"KilledByItsOwnSigkill", killed(SIGKILL), Verdict::signalled},
        Case{"SelfSentSigsys", killed(SIGSYS), Verdict::signalled},
        Case{"SelfSentSigxcpuEarly", with_cpu(seconds(1), killed(SIGXCPU)), Verdict::signalled},
        Case{"SelfSentSigusr1", killed(SIGUSR1), Verdict::signalled},
        // exit 0 is ok, whatever was touched
        Case{"RefusedTasksButExitZero", with_refused_tasks(exited(0)), Verdict::ok},
        Case{"FullScratchButExitZero", with_full_scratch(exited(0)), Verdict::ok},
        Case{"FileAtItsLimitButExitZero", with_file_size(exited(0)), Verdict::ok},
        Case{"AChildWasOomKilledButExitZero", with_oom(exited(0)), Verdict::ok},
        Case{"OverCpuButExitZero", with_cpu(seconds(11), exited(0)), Verdict::ok},
        // ties: our recorded reason first, then the OOM kill, then the wait status
        Case{"OutputCapWhileExitingZero", ended(EndedBySupervisor::output, exited(0)), Verdict::output_exceeded},
        Case{"CanceledAndOom", ended(EndedBySupervisor::canceled, with_oom(killed(SIGKILL))), Verdict::canceled},
        Case{"CpuDeadlineAndOom", ended(EndedBySupervisor::cpu_time, with_oom(killed(SIGKILL))),
             Verdict::cpu_time_exceeded},
        Case{"OomAndOverCpu", with_oom(with_cpu(seconds(11), killed(SIGKILL))), Verdict::memory_exceeded},
        Case{"OomTookInitToo", without_status(with_oom(killed(SIGKILL))), Verdict::memory_exceeded},
        Case{"OurKillTookInitToo", without_status(ended(EndedBySupervisor::wall_time)), Verdict::wall_time_exceeded},
        Case{"OomAndRefusedTasks", with_oom(with_refused_tasks(exited(2))), Verdict::memory_exceeded},
        Case{"FullScratchAndRefusedTasks", with_full_scratch(with_refused_tasks(exited(2))),
             Verdict::file_limit_exceeded},
        // the supervisor was stopped past the deadline: RLIMIT_CPU ended it, the counter proves it
        Case{"CpuRlimitBackstop", with_cpu(seconds(11), killed(SIGKILL)), Verdict::cpu_time_exceeded},
        Case{"CpuRlimitBackstopBySigxcpu", with_cpu(seconds(10), killed(SIGXCPU)), Verdict::cpu_time_exceeded}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(LimitsHit, NamesALimitThatWasTouchedEvenIfTheProgramEndedWell) {
  EXPECT_EQ(limits_hit(with_refused_tasks(exited(0)), limits()), std::vector<std::string>{"pids"});
  EXPECT_TRUE(limits_hit(exited(0), limits()).empty());
}

TEST(Describe, SaysWhatHappenedByHowMuchAndWhatToDo) {
  Facts facts = with_oom(killed(SIGKILL));
  facts.wall_time = std::chrono::milliseconds(1200);
  EXPECT_EQ(describe(MemoryExceeded{}, facts, limits()),
            "memory limit exceeded: 256 MiB after 1.2 s; raise with --memory");
  EXPECT_EQ(describe(FileLimitExceeded{}, with_full_scratch(exited(1)), limits()),
            "file limit exceeded: /tmp and /work hold 64 MiB together; raise with --scratch");
  EXPECT_EQ(describe(FileLimitExceeded{}, with_file_size(exited(1)), limits()),
            "file limit exceeded: a file would have grown beyond 64 MiB; raise with --scratch");
}

}  // namespace
}  // namespace sandbox_run::runner
