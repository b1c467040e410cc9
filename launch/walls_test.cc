// The walls from inside, each beside a control in which it is off or not in the way. Where the filter would hide a
// wall, the filter is given up: what is tested then is the wall behind it.
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>

#include "launch/testing/sandbox_fixture.h"

namespace sandbox_run::launch {
namespace {

using namespace unit_literals;
using testing::HasSubstr;
using testing::StartsWith;

class Walls : public SandboxFixture {};

std::string number(long value) { return std::to_string(value); }

TEST_F(Walls, AProgramRunsAndItsEndIsKnown) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"exit", "7"}));
  ASSERT_TRUE(facts.status.has_value());
  EXPECT_TRUE(facts.status->exited);
  EXPECT_EQ(facts.status->exit_code, 7);
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
  EXPECT_TRUE(facts.denied.empty()) << facts.denied.front().syscall;
  EXPECT_GT(facts.usage.cpu.value.count(), 0);
  EXPECT_GT(facts.usage.memory_peak.count, 0u);
  EXPECT_EQ(facts.network, "none/fresh");
  EXPECT_TRUE(facts.weakened.empty());
  EXPECT_THAT(facts.hardening, testing::IsSupersetOf({"session-keyring", "oom-score", "landlock"}));
}

TEST_F(Walls, TheProgramIsItsOwnUserAsPid2) {
  EXPECT_EQ(output_of(plan(), {"identity"}), "uid 1000 gid 1000 pid 2 ppid 1 host sandbox cwd /work blocked 0\n");
}

TEST_F(Walls, AllFiveCapabilitySetsAreEmptyAndNoPrivilegeComesBack) {
  EXPECT_EQ(output_of(with(plan(), "seccomp"), {"capabilities"}),
            "effective 0 permitted 0 inheritable 0 bounding 0 ambient 0 nnp 1\n");
}

TEST_F(Walls, ArgumentsAndEnvironmentArriveByteForByte) {
  EXPECT_EQ(output_of(plan(), {"print", "", "a b", "\xff\n"}), "[][a b][\xff\n]{HOME=/tmp}\n");
}

TEST_F(Walls, TooManyArgumentsAreTheCallersError) {
  auto sandbox = host().prepare(plan());
  ASSERT_OK(sandbox);
  const Status status = sandbox.value()->start({payload(), {std::string(200'000, 'x')}, {}}, captured());
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().fault, Fault::input);
}

TEST_F(Walls, OnlyStdioIsOpen) { EXPECT_EQ(output_of(plan(), {"descriptors"}), "0 1 2 \n"); }

TEST_F(Walls, TheRootHoldsWhatItShouldAndNothingElse) {
  auto sorted = [&](const char* path) {
    std::string text = output_of(plan(), {"list", path});
    std::vector<std::string> names;
    for (std::size_t at = 0, space; (space = text.find(' ', at)) != std::string::npos; at = space + 1)
      names.push_back(text.substr(at, space - at));
    return names;
  };
  EXPECT_THAT(sorted("/"), testing::UnorderedElementsAre("dev", "etc", "tmp", "usr", "work"));
  EXPECT_THAT(sorted("/dev"),
              testing::UnorderedElementsAre("null", "zero", "full", "urandom", "fd", "stdin", "stdout", "stderr"));
  EXPECT_THAT(sorted("/.."), testing::Contains("work"));
  EXPECT_EQ(output_of(plan(), {"list", "/proc"}), "ENOENT\n");
  EXPECT_EQ(output_of(plan(), {"list", "/tmp"}), "\n");
}

TEST_F(Walls, TheRootIsReadOnlyAndScratchIsNot) {
  const Plan open = with(plan(), "seccomp");
  EXPECT_EQ(output_of(open, {"fill", "/file", "10"}), "EROFS\n");
  EXPECT_EQ(output_of(open, {"fill", "/etc/passwd", "10"}), "EACCES\n");
  EXPECT_EQ(output_of(open, {"fill", "/tmp/file", "10"}), "ok\n");
  EXPECT_EQ(output_of(open, {"fill", "/work/file", "10"}), "ok\n");
}

TEST_F(Walls, DevicesAreTheRealOnes) {
  EXPECT_EQ(output_of(plan(), {"open", "/dev/null", "rw"}), "ok\n");
  EXPECT_EQ(output_of(plan(), {"open", "/dev/urandom", "r"}), "ok\n");
  EXPECT_EQ(output_of(plan(), {"fill", "/dev/full", "10"}), "ENOSPC\n");
  EXPECT_EQ(output_of(plan(), {"open", "/dev/kmsg", "r"}), "ENOENT\n");
}

// utimensat without times is "now", and anybody may ask for it who may write to the file.
TEST_F(Walls, TheTimesOfTheHostsDevicesAreNotTheProgramsToSet) {
  const Plan open = with(plan(), "seccomp");
  const auto touch = [](const std::string& path) {
    return std::vector<std::string>{"call", std::to_string(SYS_utimensat), std::to_string(AT_FDCWD), "@" + path, "0",
                                    "0"};
  };
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"})
    EXPECT_EQ(output_of(open, touch(device)), "EROFS\n") << device;
  EXPECT_EQ(output_of(open, touch("/tmp")), "ok\n") << "control: where it may write, it may";
}

TEST_F(Walls, StreamsCanBeReopenedInTheirOwnDirectionOnly) {
  EXPECT_EQ(output_of(plan(), {"open", "/dev/stdin", "r"}), "ok\n");
  EXPECT_EQ(output_of(plan(), {"open", "/dev/stdout", "w"}), "ok\n");
  EXPECT_EQ(output_of(plan(), {"open", "/dev/stderr", "w"}), "ok\n");
  for (const char* how : {"w", "rw"}) EXPECT_EQ(output_of(plan(), {"open", "/dev/stdin", how}), "EACCES\n");
  for (const char* how : {"r", "rw"}) EXPECT_EQ(output_of(plan(), {"open", "/dev/stdout", how}), "EACCES\n");
}

TEST_F(Walls, ProcShowsProcessesOnlyWhereAskedFor) {
  Plan proc = plan();
  proc.proc = true;
  EXPECT_EQ(output_of(proc, {"open", "/proc/self/status", "r"}), "ok\n");
  EXPECT_EQ(output_of(proc, {"open", "/proc/sys/kernel/hostname", "r"}), "ENOENT\n");
  EXPECT_EQ(output_of(proc, {"open", "/proc/1/status", "r"}), "ENOENT\n");  // hidepid: not ours
}

TEST_F(Walls, MountsKeepTheirPromises) {
  Plan bound = with(plan(), "seccomp");
  bound.mounts.push_back(BindMount{"/usr/share", "/data", false, false});
  bound.mounts.push_back(FileMount{"/config/name", "text"});
  bound.mounts.push_back(DirectoryMount{"/empty"});
  EXPECT_EQ(output_of(bound, {"fill", "/data/no-such-file", "1"}), "EROFS\n");
  EXPECT_EQ(output_of(bound, {"open", "/config/name", "r"}), "ok\n");
  EXPECT_EQ(output_of(bound, {"list", "/empty"}), "\n");
  EXPECT_NE(output_of(bound, {"list", "/data"}), "\n");
}

TEST_F(Walls, AMissingSourceNamesItself) {
  Plan bound = plan();
  bound.mounts.push_back(BindMount{"/no/such/place", "/data", false, false});
  const auto facts = run(bound, {"exit", "0"});
  ASSERT_FALSE(facts.has_value());
  EXPECT_THAT(facts.error().what, HasSubstr("/no/such/place"));
}

TEST_F(Walls, AnOverlayShowsTheLowerTreeAndKeepsWritesToItself) {
  Plan layered = plan();
  OverlayMount overlay;
  overlay.lower = "/usr/share/zoneinfo";
  overlay.target = "/cache";
  overlay.upper_size = 1_MiB;
  overlay.upper_directories = {"Europe"};
  overlay.upper_files = {{"stamp", "now"}};
  layered.mounts.push_back(overlay);
  EXPECT_EQ(output_of(layered, {"open", "/cache/Europe/Paris", "r"}), "ok\n");
  EXPECT_EQ(output_of(layered, {"open", "/cache/stamp", "rw"}), "ok\n");
  EXPECT_EQ(output_of(layered, {"fill", "/cache/Europe/New", "100"}), "ok\n");
  EXPECT_NE(::access("/usr/share/zoneinfo/Europe/New", F_OK), 0);
  EXPECT_EQ(output_of(layered, {"open", "/cache/Europe/New", "r"}), "ENOENT\n");  // the next run starts afresh
}

TEST_F(Walls, NoNetworkButTheHostsWhenGivenUp) {
  // A host has more than an unconfigured loopback: /proc/net/dev would tell, an ioctl on a datagram socket does too.
  const std::string socket = number(SYS_socket);
  EXPECT_EQ(output_of(plan(), {"call", socket, "2", "1", "0"}), "EPERM\n");
  EXPECT_EQ(output_of(with(plan(), "seccomp"), {"call", socket, "2", "1", "0"}), "ok\n");
  Plan host_network = with(plan(), "network");
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(host_network, {"exit", "0"}));
  EXPECT_EQ(facts.network, "host");
  EXPECT_THAT(facts.weakened, testing::ElementsAre("network"));
}

TEST_F(Walls, ADeniedCallFailsAndIsNamedWithItsCount) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"many-calls", "3"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
  ASSERT_EQ(facts.denied.size(), 1u);
  EXPECT_EQ(facts.denied[0].syscall, "socket");
  EXPECT_EQ(facts.denied[0].number, SYS_socket);
  EXPECT_EQ(facts.denied[0].arch, "x86_64");
  EXPECT_EQ(facts.denied[0].count, 3u);
  EXPECT_NE(facts.denied[0].instruction_pointer, 0u);
}

TEST_F(Walls, ADeniedCallEndsTheRunWhereThePlanSaysSo) {
  Plan strict = plan();
  strict.on_denied = OnDenied::kill;
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(strict, {"many-calls", "3"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::denied_call);
  ASSERT_EQ(facts.denied.size(), 1u);
  EXPECT_EQ(facts.denied[0].count, 1u);
}

TEST_F(Walls, AFloodOfDeniedCallsEndsTheRun) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"many-calls", "100000"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::denied_call_flood);
  EXPECT_EQ(facts.denied[0].count, 1001u);
}

TEST_F(Walls, ACallOfAnotherArchitectureEndsTheRun) {
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(plan(), {"int80"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::foreign_call);
  ASSERT_EQ(facts.denied.size(), 1u);
  EXPECT_EQ(facts.denied[0].arch, "i386");
  EXPECT_THAT(output_of(with(plan(), "seccomp"), {"int80"}), StartsWith("pid"));
}

TEST_F(Walls, ASecondExecIsDenied) {
  Plan with_program = plan();
  with_program.mounts.push_back(BindMount{LAUNCH_PAYLOAD, "/bin/payload", false, true});
  EXPECT_EQ(output_of(with_program, {"exec", "/bin/payload", "print"}), "EPERM\n");
  EXPECT_EQ(output_of(with(with_program, "seccomp"), {"exec", "/bin/payload", "print", "again"}), "[again]\n");
}

TEST_F(Walls, AProfileThatAllowsExecStillPausesOnce) {
  Plan building = plan();
  building.profile_name = "go-build";
  building.filter = *seccomp_profiles::builtin_filter("go-build");
  building.mounts.push_back(BindMount{LAUNCH_PAYLOAD, "/bin/payload", false, true});
  EXPECT_EQ(output_of(building, {"exec", "/bin/payload", "print", "again"}), "[again]\n");
}

TEST_F(Walls, GivenDescriptorsComeBehindTheThreeStreams) {
  ASSERT_OK_AND_ASSIGN(const UniqueFd file, sealed_memfd("given", "x", false));
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Sandbox> sandbox, host().prepare(plan()));
  Program program{payload(), {"payload", "descriptors"}, {"HOME=/tmp"}, {file.get(), file.get()}};
  ASSERT_OK(sandbox->start(program, captured()));
  ASSERT_OK_AND_ASSIGN(const Facts facts, sandbox->wait(-1));
  EXPECT_EQ(facts.stdout_stream.captured, "0 1 2 3 4 \n");
}

class Watcher : public RunObserver {
 public:
  Status about_to_start(pid_t the_program, int executable) override {
    program = the_program;
    seals = ::fcntl(executable, F_GET_SEALS);
    return answer;
  }
  void handed_over(const HandedOverCall& call) override { calls.push_back(call); }
  Status answer;
  pid_t program = 0;
  int seals = 0;
  std::vector<HandedOverCall> calls;
};

TEST_F(Walls, AWatchedCallIsShownAndThenAnsweredAsTheProfileSays) {
  ASSERT_OK_AND_ASSIGN(const seccomp_profiles::Profile profile, seccomp_profiles::Profile::load("generic"));
  Plan watched = plan();
  watched.watched = watched.filter;
  ASSERT_OK_AND_ASSIGN(watched.filter,
                       seccomp_profiles::compile(seccomp_profiles::handing_over(profile, {SYS_openat, SYS_open})));
  for (const auto& [words, answer, denied] :
       {std::tuple{std::vector<std::string>{"open", "/etc/passwd", "r"}, "ok\n", 0u},
        std::tuple{std::vector<std::string>{"open", "/etc/passwd", "w"}, "EACCES\n", 0u},
        std::tuple{std::vector<std::string>{"many-calls", "3"}, "", 3u}}) {
    Watcher watcher;
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<Sandbox> sandbox, host().prepare(watched));
    Program program{payload(), {"payload"}, {"HOME=/tmp"}, {}};
    program.argv.insert(program.argv.end(), words.begin(), words.end());
    ASSERT_OK(sandbox->start(program, captured(), &watcher));
    EXPECT_EQ(::kill(watcher.program, 0), 0);
    EXPECT_NE(watcher.seals & F_SEAL_WRITE, 0);
    ASSERT_OK_AND_ASSIGN(const Facts facts, sandbox->wait(-1));
    EXPECT_EQ(facts.stdout_stream.captured, answer);
    EXPECT_EQ(facts.denied.size(), denied == 0 ? 0u : 1u);
    ASSERT_EQ(watcher.calls.size(), denied == 0 ? 1u : denied);
    EXPECT_EQ(watcher.calls[0].data.nr, denied == 0 ? SYS_openat : SYS_socket);
    EXPECT_EQ(watcher.calls[0].denied, denied != 0);
    EXPECT_NE(watcher.calls[0].data.instruction_pointer, 0u);
  }
}

TEST_F(Walls, AnObserverThatRefusesEndsTheSandboxBeforeItsProgramBegins) {
  Watcher watcher;
  watcher.answer = host_error("not like this");
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Sandbox> sandbox, host().prepare(plan()));
  const auto started = sandbox->start(Program{payload(), {"payload", "pid"}, {}, {}}, captured(), &watcher);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().what, "not like this");
  EXPECT_EQ(::kill(watcher.program, 0), -1);
}

TEST_F(Walls, NoexecMountsHoldWithoutTheFilter) {
  Plan no_exec = with(plan(), "seccomp");
  no_exec.mounts.push_back(BindMount{LAUNCH_PAYLOAD, "/bin/payload", false, false});
  EXPECT_EQ(output_of(no_exec, {"exec", "/bin/payload"}), "EACCES\n");
}

TEST_F(Walls, NoMemoryIsBothWritableAndExecutable) {
  Plan open = with(plan(), "seccomp");
  EXPECT_EQ(output_of(open, {"exec-memory"}), "EACCES\n");  // by PR_SET_MDWE alone
  open.refuse_exec_gain = false;
  EXPECT_EQ(output_of(open, {"exec-memory"}), "ok\n");
}

TEST_F(Walls, LimitsAreSet) { EXPECT_EQ(output_of(plan(), {"limits"}), "256 67108864 1 65536 256 0 0 0 6 \n"); }

TEST_F(Walls, SetIdAndMountCallsFailWithoutTheFilter) {
  const Plan open = with(plan(), "seccomp");
  EXPECT_EQ(output_of(open, {"call", number(SYS_setuid), "0"}), "EPERM\n");
  EXPECT_EQ(output_of(open, {"call", number(SYS_mount), "@none", "@/tmp", "@tmpfs", "0"}), "EPERM\n");
  EXPECT_EQ(output_of(open, {"call", number(SYS_chroot), "@/tmp"}), "EPERM\n");
  EXPECT_EQ(output_of(open, {"call", number(SYS_kill), "1", "9"}), "EPERM\n");
  EXPECT_EQ(output_of(open, {"call", number(SYS_sethostname), "@name", "4"}), "EPERM\n");
  EXPECT_EQ(output_of(open, {"call", number(SYS_getpid)}), "ok\n");
}

TEST_F(Walls, NoFurtherUserNamespaceCanBeMade) {
  const std::vector<std::string> unshare = {"call", number(SYS_unshare), number(CLONE_NEWUSER)};
  EXPECT_EQ(output_of(plan(), unshare), "EPERM\n");  // by the filter
  Plan open = with(plan(), "seccomp");
  EXPECT_EQ(output_of(open, unshare), "ENOSPC\n");
  open.fail = {"namespace.no-nesting", EPERM};
  EXPECT_EQ(output_of(open, unshare), "ok\n");
}

TEST_F(Walls, AnUnknownNameToGiveUpIsRefused) {
  const auto facts = run(with(plan(), "everything"), {"exit", "0"});
  ASSERT_FALSE(facts.has_value());
  EXPECT_EQ(facts.error().fault, Fault::input);
  EXPECT_THAT(facts.error().what, HasSubstr("seccomp"));
}

TEST_F(Walls, AProgramThatIsNoneIsTheCallersError) {
  auto sandbox = host().prepare(plan());
  ASSERT_OK(sandbox);
  UniqueFd text(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  ASSERT_OK(sandbox.value()->start({text.get(), {"passwd"}, {}}, captured()));
  const auto facts = sandbox.value()->wait(-1);
  ASSERT_FALSE(facts.has_value());
  EXPECT_EQ(facts.error().fault, Fault::input);
  EXPECT_THAT(facts.error().what, HasSubstr("program.exec"));
}

}  // namespace
}  // namespace sandbox_run::launch
