// What ends a run, each beside a run below the limit.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <fstream>
#include <thread>

#include "launch/testing/sandbox_fixture.h"

namespace sandbox_run::launch {
namespace {

using namespace unit_literals;
using namespace std::chrono_literals;

class RunLimits : public SandboxFixture {
 protected:
  // Host pid of the sandbox' process with this id inside, found by the name of its user.
  static pid_t find_inside(int inside);
};

pid_t RunLimits::find_inside(int inside) {
  pid_t found = -1;
  eventually([&] {
    DIR* directory = ::opendir("/proc");
    while (const dirent* entry = ::readdir(directory)) {
      std::ifstream status(fmt::format("/proc/{}/status", entry->d_name));
      bool ours = false, matches = false;
      for (std::string line; std::getline(status, line);) {
        const long first = 0x60000000L + static_cast<long>(::getpid()) * 128;
        if (line.rfind("Uid:", 0) == 0)
          ours = std::atol(line.c_str() + 4) >= first && std::atol(line.c_str() + 4) < first + 128;
        if (line.rfind("NSpid:", 0) == 0) matches = line.substr(line.rfind('\t') + 1) == std::to_string(inside);
      }
      if (ours && matches) found = std::atoi(entry->d_name);
    }
    ::closedir(directory);
    return found > 0;
  });
  return found;
}

TEST_F(RunLimits, CpuTimeEndsTheRunCloseToTheLimit) {
  Plan short_plan = plan();
  short_plan.cpu_time = {200ms};
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(short_plan, {"spin", "60"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::cpu_time);
  EXPECT_GE(facts.usage.cpu.value, 200ms);
  EXPECT_LE(facts.usage.cpu.value, 230ms);  // 205 ms on a quiet machine
}

TEST_F(RunLimits, CpuTimeBelowTheLimitPasses) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"spin", "0.1"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
  EXPECT_EQ(facts.status->exit_code, 0);
  EXPECT_GE(facts.usage.cpu.value, 95ms);  // its own clock began with pid 2, before the exec
}

TEST_F(RunLimits, WallTimeEndsASleeper) {
  Plan short_plan = plan();
  short_plan.wall_time = {200ms};
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(short_plan, {"sleep", "60"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::wall_time);
  EXPECT_GE(facts.wall_time, 200ms);
  EXPECT_LE(facts.wall_time, 1s);
  EXPECT_FALSE(facts.status.has_value());
}

TEST_F(RunLimits, MemoryIsHeldByTheKernel) {
  Plan no_scratch = plan();
  no_scratch.scratch = Bytes{0};
  no_scratch.cgroup.memory = no_scratch.memory;
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(no_scratch, {"alloc", "200"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
  EXPECT_GT(facts.usage.oom_kills, 0u);
  ASSERT_OK_AND_ASSIGN(const Facts below, run(no_scratch, {"alloc", "32"}));
  EXPECT_EQ(below.usage.oom_kills, 0u);
  EXPECT_EQ(below.status->exit_code, 0);
}

TEST_F(RunLimits, TheScratchsShareOfMemoryIsNotTheProgramsToUse) {
  Plan big_scratch = plan();
  big_scratch.scratch = big_scratch.rlimits.file_size = 64_MiB;
  big_scratch.cgroup.memory = big_scratch.memory + big_scratch.scratch;
  std::get<TmpfsMount>(big_scratch.mounts.back()).size = big_scratch.scratch;
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(big_scratch, {"alloc-sleep", "90"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::memory);
  ASSERT_OK_AND_ASSIGN(const Facts shared, run(big_scratch, {"alloc-shared-sleep", "90"}));
  EXPECT_EQ(shared.ended, EndedBySupervisor::memory) << "a shared mapping is memory, not a file";
  ASSERT_OK_AND_ASSIGN(const Facts file, run(big_scratch, {"fill-and-alloc-sleep", "/tmp/file", "50"}));
  EXPECT_EQ(file.ended, EndedBySupervisor::none) << "control: a file in scratch is on top of it";
  EXPECT_GT(file.usage.memory_peak, big_scratch.memory);
}

TEST_F(RunLimits, ProcessesAreBoundedAndCounted) {
  const Plan open = with(plan(), "seccomp");
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(open, {"forks", "100"}));
  EXPECT_EQ(facts.stdout_stream.captured, "made 15\n");  // the program itself is the sixteenth
  EXPECT_GT(facts.usage.process_limit_hits, 0u);
  ASSERT_OK_AND_ASSIGN(const Facts below, run(open, {"forks", "15"}));
  EXPECT_EQ(below.stdout_stream.captured, "made 15\n");
  EXPECT_EQ(below.usage.process_limit_hits, 0u);
}

TEST_F(RunLimits, WhatTheProgramLeavesBehindDiesWithIt) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(with(plan(), "seccomp"), {"forks", "3"}));
  EXPECT_LT(facts.wall_time, 20s);  // its children sleep 100 s
}

TEST_F(RunLimits, OutputEndsTheRunWithExactlyTheLimitPassed) {
  Plan small = plan();
  small.output = Bytes{100'001};
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(small, {"write", "1", "100000000"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::output);
  EXPECT_EQ(facts.stdout_stream.bytes, 100'001u);
  EXPECT_EQ(facts.stdout_stream.captured.size(), 100'001u);
}

TEST_F(RunLimits, OutputOfExactlyTheLimitPasses) {
  Plan small = plan();
  small.output = Bytes{100'000};
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(small, {"write", "1", "100000"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
  EXPECT_EQ(facts.stdout_stream.bytes, 100'000u);
  ASSERT_OK_AND_ASSIGN(const Facts over, run(small, {"write", "2", "100001"}));
  EXPECT_EQ(over.ended, EndedBySupervisor::output);
}

TEST_F(RunLimits, AFullScratchIsSeen) {
  ASSERT_OK_AND_ASSIGN(const Facts bytes, run(plan(), {"fill", "/tmp/big", "100000000"}));
  EXPECT_TRUE(bytes.scratch_full);
  EXPECT_EQ(bytes.stdout_stream.captured, "ENOSPC\n");
  ASSERT_OK_AND_ASSIGN(const Facts inodes, run(plan(), {"inodes", "/work"}));
  EXPECT_TRUE(inodes.scratch_full);
  ASSERT_OK_AND_ASSIGN(const Facts below, run(plan(), {"fill", "/tmp/small", "1000"}));
  EXPECT_FALSE(below.scratch_full);
}

TEST_F(RunLimits, AFileBeyondItsLimitIsSeen) {
  Plan small = plan();
  small.rlimits.file_size = 1_MiB;
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(small, {"fill", "/tmp/big", "2000000"}));
  EXPECT_TRUE(facts.file_size_hit);
  EXPECT_EQ(facts.status->signal, SIGXFSZ);
}

TEST_F(RunLimits, AFileAtItsLimitIsSeenWhereTheProgramSurvivesTheSignal) {
  Plan small = plan();
  small.rlimits.file_size = 1_MiB;
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(small, {"fill-ignoring-xfsz", "/tmp/big", "2000000"}));
  ASSERT_TRUE(facts.status && facts.status->exited);
  EXPECT_NE(facts.status->exit_code, 0);
  EXPECT_EQ(facts.stdout_stream.captured, "EFBIG\n");
  EXPECT_TRUE(facts.file_size_hit);
  ASSERT_OK_AND_ASSIGN(const Facts below, run(plan(), {"fill-ignoring-xfsz", "/tmp/big", "2000000"}));
  EXPECT_FALSE(below.file_size_hit);
}

TEST_F(RunLimits, DeathByASignalOfItsOwnIsTheProgramsAffair) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"signal", "9"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
  ASSERT_TRUE(facts.status.has_value());
  EXPECT_FALSE(facts.status->exited);
  EXPECT_EQ(facts.status->signal, SIGKILL);
}

TEST_F(RunLimits, KillingInitFromOutsideLeavesNoStatus) {
  auto sandbox = started(plan(), {"sleep", "60"}, captured());
  ASSERT_NE(sandbox, nullptr);
  ASSERT_EQ(::kill(find_inside(1), SIGKILL), 0);
  ASSERT_OK_AND_ASSIGN(const Facts facts, sandbox->wait(-1));
  EXPECT_FALSE(facts.status.has_value());
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
}

TEST_F(RunLimits, KillingTheProgramFromOutsideIsItsStatus) {
  auto sandbox = started(plan(), {"sleep", "60"}, captured());
  ASSERT_NE(sandbox, nullptr);
  ASSERT_EQ(::kill(find_inside(2), SIGKILL), 0);
  ASSERT_OK_AND_ASSIGN(const Facts facts, sandbox->wait(-1));
  ASSERT_TRUE(facts.status.has_value());
  EXPECT_EQ(facts.status->signal, SIGKILL);
}

TEST_F(RunLimits, ASandboxThatIsDroppedIsGone) {
  { auto sandbox = host().prepare(plan()); }
  auto running = started(plan(), {"sleep", "60"}, captured());
  running.reset();
}

TEST_F(RunLimits, SetUpCostsLittleMemory) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"exit", "0"}));
  EXPECT_LT(facts.usage.memory_peak, 1_MiB);
}

class Canceling : public RunLimits {
 protected:
  void SetUp() override {
    sigemptyset(&mask_);
    sigaddset(&mask_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &mask_, nullptr);
    cancel_.reset(::signalfd(-1, &mask_, SFD_CLOEXEC | SFD_NONBLOCK));
    RunLimits::SetUp();
  }
  // Sends SIGINT to ourselves once the program has said "ready", `count` times.
  Result<Facts> run_canceled(const std::string& what, int count, bool at_once = false) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return self_error("pipe");
    const UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    std::thread signaller([&] {
      char byte;
      if (::read(read_end.get(), &byte, 1) != 1) return;
      for (int i = 0; i < count; ++i) {
        ::kill(::getpid(), SIGINT);
        std::this_thread::sleep_for(100ms);
      }
    });
    Streams streams = captured();
    streams.output = write_end.get();
    Plan canceled = plan();
    canceled.cancel_at_once = at_once;
    auto facts = run(canceled, {what}, streams, cancel_.get());
    write_end.reset();
    signaller.join();
    return facts;
  }
  sigset_t mask_;
  UniqueFd cancel_;
};

TEST_F(Canceling, TheFirstSignalIsTheProgramsToHandle) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run_canceled("wait-interrupt", 1));
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
  EXPECT_EQ(facts.status->exit_code, 42);
  EXPECT_EQ(facts.stdout_stream.captured, "ready\ninterrupted\n");
}

TEST_F(Canceling, AtOnceWhereThePlanSaysSo) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run_canceled("wait-interrupt", 1, true));
  EXPECT_EQ(facts.ended, EndedBySupervisor::canceled);
  EXPECT_EQ(facts.cancel_signal, 0);
  EXPECT_EQ(facts.stdout_stream.captured, "ready\n");
}

TEST_F(Canceling, DyingOfItIsBeingCanceled) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run_canceled("ready-sleep", 1));
  EXPECT_EQ(facts.ended, EndedBySupervisor::canceled);
  EXPECT_EQ(facts.cancel_signal, SIGINT);
}

TEST_F(Canceling, ASecondSignalEndsWhatIgnoresTheFirst) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run_canceled("ignore-interrupt", 2));
  EXPECT_EQ(facts.ended, EndedBySupervisor::canceled);
  EXPECT_LT(facts.wall_time, 1900ms);
}

TEST_F(Canceling, TwoSecondsEndItToo) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run_canceled("ignore-interrupt", 1));
  EXPECT_EQ(facts.ended, EndedBySupervisor::canceled);
  EXPECT_GE(facts.wall_time, 1900ms);
}

}  // namespace
}  // namespace sandbox_run::launch
