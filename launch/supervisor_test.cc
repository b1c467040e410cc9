// The supervisor itself: killed, without root, many sandboxes at once.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <thread>

#include "launch/testing/sandbox_fixture.h"

namespace sandbox_run::launch {
namespace {

using namespace std::chrono_literals;

class Supervisor : public SandboxFixture {
 protected:
  // Runs `body` in a child process that has a Host of its own; answers its exit status.
  template <class Body>
  static pid_t in_child(Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string failure = body();
      (void)!::write(2, failure.data(), failure.size());
      ::_exit(failure.empty() ? 0 : 1);
    }
    return child;
  }
  static int exit_status(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(Supervisor, KilledWithNineTakesItsSandboxesAlongAndTheNextStartRemovesTheRest) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = in_child([&]() -> std::string {
    auto own = Host::open();
    if (!own) return "no host";
    auto prepared = own.value()->prepare(plan());
    Plan second = plan();
    second.id += "-b";
    auto running = own.value()->prepare(second);
    if (!prepared || !running) return "no sandbox";
    if (!running.value()->start({payload(), {"payload", "sleep", "100"}, {}}, captured())) return "no start";
    (void)!::write(ends[1], "x", 1);
    (void)running.value()->wait(-1);
    return "it ended";
  });
  write_end.reset();
  char byte;
  ASSERT_EQ(::read(read_end.get(), &byte, 1), 1);
  EXPECT_EQ(processes_of(child).size(), 4u);  // an init and a program each
  ::kill(child, SIGKILL);
  exit_status(child);
  EXPECT_TRUE(eventually([&] { return processes_of(child).empty(); }));
  EXPECT_OK(host().hierarchy()->end_orphans());
}

TEST_F(Supervisor, WithoutRootTheSameWallsHold) {
  // Everything this test needs is open before the privileges go; there is no delegated cgroup here.
  const UniqueFd sink(::memfd_create("sink", MFD_CLOEXEC));
  const pid_t child = in_child([&]() -> std::string {
    if (::setresgid(54321, 54321, 54321) != 0 || ::setresuid(54321, 54321, 54321) != 0) return "ids";
    ::prctl(PR_SET_DUMPABLE, 1);  // as after an exec by that user
    auto own = Host::open();
    if (!own) return own.error().what;
    Streams streams;
    streams.output = sink.get();
    auto sandbox = own.value()->prepare(with(plan(), "cgroup"));
    if (!sandbox) return sandbox.error().what;
    if (!sandbox.value()->start({payload(), {"payload", "identity"}, {}}, streams)) return "no start";
    auto facts = sandbox.value()->wait(-1);
    if (!facts) return facts.error().what;
    return facts->status && facts->status->exited && facts->status->exit_code == 0 ? "" : "wrong end";
  });
  EXPECT_EQ(exit_status(child), 0);
  char text[200] = {};
  ASSERT_GT(::pread(sink.get(), text, sizeof text - 1, 0), 0);
  EXPECT_STREQ(text, "uid 1000 gid 1000 pid 2 ppid 1 host sandbox cwd /work blocked 0\n");
}

// A pool has a thread of its own: a clone with CLONE_NEWUSER does not mind, and Host::open() has its unshare(2) behind
// it.
TEST_F(Supervisor, WithoutRootAPoolPreparesAndEachHasAFreshNetwork) {
  Plan sharing = with(plan(), "cgroup");
  sharing.may_share_network = true;
  const pid_t child = in_child([&]() -> std::string {
    if (::setresgid(54321, 54321, 54321) != 0 || ::setresuid(54321, 54321, 54321) != 0) return "ids";
    ::prctl(PR_SET_DUMPABLE, 1);  // as after an exec by that user
    auto own = Host::open();
    if (!own) return own.error().what;
    auto pool = own.value()->pool(sharing, {2, 3});
    if (!pool) return pool.error().what;
    for (int run = 0; run < 3; ++run) {
      auto sandbox = pool.value()->take();
      if (!sandbox) return sandbox.error().what;
      if (!sandbox.value()->start({payload(), {"payload", "exit", "0"}, {}}, captured())) return "no start";
      auto facts = sandbox.value()->wait(-1);
      if (!facts) return facts.error().what;
      if (!succeeded(*facts) || facts->network != "none/fresh") return "wrong end, or network " + facts->network;
    }
    auto closed = pool.value()->close();
    return closed ? "" : closed.error().what;
  });
  EXPECT_EQ(exit_status(child), 0);
}

TEST_F(Supervisor, ManySandboxesAtOnceKeepTheirEndsApart) {
  std::vector<std::thread> threads;
  std::vector<int> codes(12, -1);
  for (int index = 0; index < 12; ++index)
    threads.emplace_back([&, index] {
      Plan own = plan();
      own.id += "-" + std::to_string(index);
      const auto facts = run(own, {index % 3 == 0 ? "int80" : "exit", std::to_string(index)});
      EXPECT_OK(facts);
      if (facts && facts->status) codes[static_cast<std::size_t>(index)] = facts->status->exit_code;
      if (facts && facts->ended == EndedBySupervisor::foreign_call) codes[static_cast<std::size_t>(index)] = 1000;
    });
  for (std::thread& thread : threads) thread.join();
  for (int index = 0; index < 12; ++index)
    EXPECT_EQ(codes[static_cast<std::size_t>(index)], index % 3 == 0 ? 1000 : index);
}

TEST_F(Supervisor, PreparedSandboxesAreStartedInAnyOrder) {
  std::vector<std::unique_ptr<Sandbox>> pool;
  for (int index = 0; index < 3; ++index) {
    Plan own = plan();
    own.id += "-" + std::to_string(index);
    ASSERT_OK_AND_ASSIGN(auto sandbox, host().prepare(own));
    pool.push_back(std::move(sandbox));
  }
  for (int index : {2, 0, 1}) {
    const std::string code = std::to_string(index + 10);
    ASSERT_OK(pool[static_cast<std::size_t>(index)]->start({payload(), {"payload", "exit", code}, {}}, captured()));
    ASSERT_OK_AND_ASSIGN(const Facts facts, pool[static_cast<std::size_t>(index)]->wait(-1));
    EXPECT_EQ(facts.status->exit_code, index + 10);
  }
}

TEST_F(Supervisor, WhatIsDoneMeanwhileIsDoneOnceAndFailsTheLaunch) {
  int calls = 0;
  const auto failed = host().prepare(plan(), [&]() -> Status {
    ++calls;
    return input_error("the program cannot be read");
  });
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().what, "the program cannot be read");
  EXPECT_EQ(failed.error().fault, Fault::input);
  Plan control = plan();
  control.id += "-control";
  EXPECT_OK(host().prepare(control, [&]() -> Status {
    ++calls;
    return {};
  }));
  EXPECT_EQ(calls, 2);
}

TEST_F(Supervisor, RunningOutOfDescriptorsAtAnyPointIsACleanError) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int used = ::fcntl(0, F_DUPFD_CLOEXEC, 0);  // the lowest free one
  ASSERT_GE(used, 3);
  ::close(used);
  int failed = 0, succeeded = 0;
  for (unsigned extra = 1; extra < 100 && succeeded < 3; ++extra) {
    const rlimit few{static_cast<rlim_t>(used) + extra, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    const auto facts = run(plan(), {"exit", "0"});
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    if (facts) {
      ++succeeded;
      EXPECT_EQ(facts->status->exit_code, 0) << extra;
    } else {
      ++failed;
      EXPECT_EQ(facts.error().fault, Fault::host) << facts.error().what;
      EXPECT_THAT(facts.error().what, testing::HasSubstr("launch ")) << extra;
    }
  }
  EXPECT_GT(failed, 10);
  EXPECT_EQ(succeeded, 3);
}

TEST_F(Supervisor, AStoppedSupervisorStillTellsTheCause) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = in_child([&]() -> std::string {
    auto own = Host::open();
    if (!own) return "no host";
    Plan spinning = plan();
    spinning.cpu_time = {1s};
    spinning.wall_time = {2s};
    auto sandbox = own.value()->prepare(spinning);
    if (!sandbox || !sandbox.value()->start({payload(), {"payload", "spin", "100"}, {}}, captured())) return "no start";
    (void)!::write(ends[1], "x", 1);
    auto facts = sandbox.value()->wait(-1);
    if (!facts) return "no facts";
    // RLIMIT_CPU may have been faster than we were; on a busy machine the program may not have had its second.
    if (facts->usage.cpu.value < 1s) return facts->ended == EndedBySupervisor::wall_time ? "" : "not wall time";
    const bool by_backstop = facts->status && facts->status->signal == SIGKILL;
    return facts->ended == EndedBySupervisor::cpu_time || by_backstop ? "" : "not CPU time";
  });
  write_end.reset();
  char byte;
  ASSERT_EQ(::read(read_end.get(), &byte, 1), 1);
  ::kill(child, SIGSTOP);
  std::this_thread::sleep_for(4s);
  ::kill(child, SIGCONT);
  EXPECT_EQ(exit_status(child), 0);
}

}  // namespace
}  // namespace sandbox_run::launch
