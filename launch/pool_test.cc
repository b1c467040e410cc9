// Pools: each sandbox once, none that died, nothing left, the clocks from start(), and the network that they share.
#include "launch/pool.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "launch/script.h"
#include "launch/testing/sandbox_fixture.h"

namespace sandbox_run::launch {
namespace {

using namespace std::chrono_literals;
using namespace unit_literals;
using testing::HasSubstr;

class Pools : public SandboxFixture {
 protected:
  std::unique_ptr<Pool> pool(const Plan& plan, unsigned ahead = 1, std::uint64_t total = UINT64_MAX) {
    auto opened = host().pool(plan, {ahead, total});
    EXPECT_OK(opened);
    return std::move(opened).value();
  }
  Plan sharing() {
    Plan open = plan();
    open.may_share_network = true;
    return open;
  }
  static Result<Facts> run_in(Sandbox& sandbox, const std::vector<std::string>& words) {
    Program program{payload(), {"payload"}, {"HOME=/tmp"}};
    program.argv.insert(program.argv.end(), words.begin(), words.end());
    TRY_STATUS(sandbox.start(program, captured()));
    return sandbox.wait(-1);
  }
  static Result<Facts> run_next(Pool& pool, const std::vector<std::string>& words) {
    TRY(const std::unique_ptr<Sandbox> sandbox, pool.take());
    return run_in(*sandbox, words);
  }
  static std::string output_of_next(Pool& pool, const std::vector<std::string>& words) {
    auto facts = run_next(pool, words);
    EXPECT_OK(facts);
    return facts ? facts->stdout_stream.captured : "";
  }
  static bool full(const Pool& pool, unsigned count) {
    return eventually([&] { return pool.prepared() == count; });
  }
  // Of this process' sandboxes: inits and paused programs.
  static std::vector<pid_t> inside() {
    std::vector<pid_t> pids;
    for (const std::string& found : processes_of(::getpid()))
      pids.push_back(std::atoi(found.substr(found.rfind('/') + 1).c_str()));
    return pids;
  }
  static std::string network_of(pid_t process) {
    return std::filesystem::read_symlink("/proc/" + std::to_string(process) + "/ns/net").string();
  }
  static std::string own_network() { return std::filesystem::read_symlink("/proc/self/ns/net").string(); }
};

TEST_F(Pools, WhatOneRunWroteTheNextDoesNotSee) {
  const auto each = pool(plan(), 2);
  for (const char* place : {"/tmp", "/work"}) {
    const std::string file = std::string(place) + "/left-behind";
    EXPECT_EQ(output_of_next(*each, {"fill", file, "10"}), "ok\n");
    for (int run = 0; run < 4; ++run) {
      EXPECT_EQ(output_of_next(*each, {"list", place}), "\n");
      EXPECT_EQ(output_of_next(*each, {"open", file, "r"}), "ENOENT\n");
    }
  }
}

TEST_F(Pools, EveryProgramIsPid2OfItsOwnSandbox) {
  const auto each = pool(plan(), 2);
  for (int run = 0; run < 4; ++run)
    EXPECT_EQ(output_of_next(*each, {"identity"}), "uid 1000 gid 1000 pid 2 ppid 1 host sandbox cwd /work blocked 0\n");
  EXPECT_OK(each->close());
}

TEST_F(Pools, ASandboxIsStartedOnceAndWaitedForOnce) {
  const auto each = pool(plan());
  ASSERT_OK_AND_ASSIGN(const auto sandbox, each->take());
  ASSERT_OK(run_in(*sandbox, {"exit", "0"}));
  EXPECT_FALSE(sandbox->start({payload(), {"payload"}, {}}, captured()));
  EXPECT_FALSE(sandbox->wait(-1).has_value());
}

TEST_F(Pools, PreparesAsManyAheadAsItIsToldAndNoMoreThanThereWillBe) {
  const auto each = pool(plan(), 3, 4);
  EXPECT_TRUE(full(*each, 3));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(each->prepared(), 3u);
  for (int code = 0; code < 4; ++code) {
    ASSERT_OK_AND_ASSIGN(const Facts facts, run_next(*each, {"exit", std::to_string(code)}));
    EXPECT_EQ(facts.status->exit_code, code);
  }
  EXPECT_EQ(each->prepared(), 0u);
  const auto fifth = each->take();
  ASSERT_FALSE(fifth.has_value());
  EXPECT_EQ(fifth.error().fault, Fault::self);
}

TEST_F(Pools, PreparesBesideTheProgramThatRuns) {
  const auto each = pool(plan(), 1);
  ASSERT_OK_AND_ASSIGN(const auto sandbox, each->take());
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(each->prepared(), 0u) << "not while its start is being waited for";
  ASSERT_OK(sandbox->start({payload(), {"payload", "sleep", "1"}, {}}, captured()));
  EXPECT_TRUE(full(*each, 1));
  ASSERT_OK_AND_ASSIGN(const Facts facts, sandbox->wait(-1));
  EXPECT_GE(facts.wall_time, 1s) << "it was still running";
}

// Killed from outside: the init, or the program alone, which takes its init along.
TEST_F(Pools, OneThatDiedWhileItWaitedIsNeverHandedOut) {
  for (const bool the_init : {true, false}) {
    const auto each = pool(plan(), 2);
    ASSERT_TRUE(full(*each, 2));
    const std::vector<pid_t> waiting = inside();
    ASSERT_EQ(waiting.size(), 4u);
    // Each init has the lower of its sandbox's two ids; the program is its child.
    std::set<pid_t> programs;
    for (const pid_t pid : waiting) {
      std::ifstream children("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
      for (pid_t child; children >> child;) programs.insert(child);
    }
    ASSERT_EQ(programs.size(), 2u);
    for (const pid_t pid : waiting) {
      const bool is_init = programs.count(pid) == 0;
      if (is_init == the_init) (void)::kill(pid, SIGKILL);
    }
    ASSERT_TRUE(eventually([] { return inside().empty(); }));
    for (int run = 0; run < 3; ++run)
      EXPECT_EQ(output_of_next(*each, {"identity"}),
                "uid 1000 gid 1000 pid 2 ppid 1 host sandbox cwd /work blocked 0\n");
    EXPECT_OK(each->close());
    EXPECT_TRUE(eventually([] { return inside().empty(); }));
  }
}

TEST_F(Pools, OneThatDiesBetweenTakingAndStartIsAnErrorAndNotARun) {
  const auto each = pool(plan(), 1, 1);
  ASSERT_OK_AND_ASSIGN(const auto sandbox, each->take());
  for (const pid_t pid : inside()) ::kill(pid, SIGKILL);
  EXPECT_TRUE(eventually([] { return inside().empty(); }));
  const Status started = sandbox->start({payload(), {"payload", "exit", "0"}, {}}, captured());
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().fault, Fault::host) << started.error().what;
}

TEST_F(Pools, DestroyedItTakesTheUnusedOnesAlong) {
  for (const bool half_way : {false, true}) {
    {
      const auto each = pool(plan(), 4);
      EXPECT_TRUE(eventually([&] { return each->prepared() >= (half_way ? 1u : 4u); }));
      EXPECT_FALSE(inside().empty());
    }
    EXPECT_TRUE(inside().empty());
  }  // TearDown looks for groups, mounts and descriptors
}

TEST_F(Pools, ATakenOneThatIsNeverStartedGoesTheSameWay) {
  const auto each = pool(plan(), 1);
  { ASSERT_OK_AND_ASSIGN(const auto sandbox, each->take()); }
  EXPECT_EQ(output_of_next(*each, {"exit", "0"}), "") << "and the next is prepared";
}

TEST_F(Pools, ClosedItHasRemovedWhatItsRunsLeft) {
  const auto each = pool(plan(), 1, 2);
  const auto groups = [&] {
    int found = 0;
    for (const auto& controller : std::filesystem::directory_iterator("/sys/fs/cgroup")) {
      std::error_code none;
      for (const auto& group : std::filesystem::directory_iterator(controller.path() / "sandbox-run", none))
        found += group.path().string().find(id_) != std::string::npos;
    }
    return found;
  };
  ASSERT_OK(run_next(*each, {"exit", "0"}));
  EXPECT_TRUE(full(*each, 1));
  EXPECT_GT(groups(), 0) << "control: the one that waits has its group";
  EXPECT_OK(each->close());
  EXPECT_EQ(groups(), 0);
  EXPECT_FALSE(each->take().has_value());
}

TEST_F(Pools, WhatCannotBePreparedIsTheTakersErrorEachTime) {
  Plan broken = plan();
  broken.fail = {"root.pivot", ENOMEM};
  const auto each = pool(broken, 2);
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto taken = each->take();
    ASSERT_FALSE(taken.has_value());
    EXPECT_THAT(taken.error().what, HasSubstr("launch root.pivot"));
    EXPECT_EQ(taken.error().sys_errno, ENOMEM);
  }
  EXPECT_FALSE(host().pool(plan(), {0, 1}).has_value());
  EXPECT_FALSE(host().pool(plan(), {IdentitySlot::kMost, 1}).has_value());
}

// Prepared long before: neither what it waited nor what the launch itself used is the program's.
TEST_F(Pools, TheClocksOfARunBeginAtItsStart) {
  Plan hasty = plan();
  hasty.wall_time = {1s};
  hasty.cpu_time = {1s};
  const auto each = pool(hasty, 1, 1);
  ASSERT_TRUE(full(*each, 1));
  std::this_thread::sleep_for(3s);
  ASSERT_OK_AND_ASSIGN(const Facts facts, run_next(*each, {"spin", "0.2"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::none);
  ASSERT_TRUE(facts.status && facts.status->exited);
  EXPECT_GE(facts.wall_time, 200ms);
  EXPECT_LT(facts.wall_time, 1s);
  EXPECT_GE(facts.usage.cpu.value, 190ms);
  EXPECT_LT(facts.usage.cpu.value, 300ms);
  EXPECT_LT(facts.prepare_time, 3s);
}

TEST_F(Pools, ControlTheWallTimeThatTheProgramItselfTakesEndsIt) {
  Plan hasty = plan();
  hasty.wall_time = {1s};
  const auto each = pool(hasty, 1, 1);
  ASSERT_OK_AND_ASSIGN(const Facts facts, run_next(*each, {"sleep", "3"}));
  EXPECT_EQ(facts.ended, EndedBySupervisor::wall_time);
}

TEST_F(Pools, WhatTheLaunchUsedIsNotCountedToTheRun) {
  const HostState own = *open_host_state();
  ASSERT_OK_AND_ASSIGN(auto sandbox, prepare_sandbox(own, plan(), nullptr));
  EXPECT_GT(sandbox->set_up_usage.cpu.value, 0us) << "control: the launch used some";
  ASSERT_OK_AND_ASSIGN(const auto usage, sandbox->cgroup->usage());
  ASSERT_OK_AND_ASSIGN(const Bytes now, sandbox->cgroup->memory_now());
  EXPECT_EQ(usage.cpu.value, sandbox->set_up_usage.cpu.value) << "nothing inside runs any more";
  if (own.hierarchy->version() == 2) return;  // takes Linux 6.12 there
  EXPECT_EQ(usage.memory_peak, now) << "no peak of the launch's is left";
}

TEST_F(Pools, SandboxesShareOneNetworkThatIsNeitherOursNorAnyonesToConfigure) {
  const auto each = pool(sharing(), 2, 2);
  ASSERT_TRUE(full(*each, 2));
  std::set<std::string> networks;
  const std::vector<pid_t> waiting = inside();
  ASSERT_EQ(waiting.size(), 4u);
  for (const pid_t pid : waiting) networks.insert(network_of(pid));
  EXPECT_EQ(networks.size(), 1u);
  EXPECT_EQ(networks.count(own_network()), 0u);
  // Its owner is our user namespace, in which nobody inside has a capability; theirs is another.
  const UniqueFd network(::open(("/proc/" + std::to_string(waiting[0]) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd owner(::ioctl(network.get(), NS_GET_USERNS));
  ASSERT_TRUE(owner);
  struct stat of_network {
  }, ours{}, theirs{};
  ASSERT_EQ(::fstat(owner.get(), &of_network), 0);
  ASSERT_EQ(::stat("/proc/self/ns/user", &ours), 0);
  ASSERT_EQ(::stat(("/proc/" + std::to_string(waiting[0]) + "/ns/user").c_str(), &theirs), 0);
  EXPECT_EQ(of_network.st_ino, ours.st_ino);
  EXPECT_NE(of_network.st_ino, theirs.st_ino);
  for (int run = 0; run < 2; ++run) {
    ASSERT_OK_AND_ASSIGN(const Facts facts, run_next(*each, {"exit", "0"}));
    EXPECT_EQ(facts.network, "none/shared-empty");
    EXPECT_TRUE(facts.weakened.empty());
  }
}

TEST_F(Pools, TheSupervisorKeepsItsOwnNetwork) {
  const std::string before = own_network();
  const auto each = pool(sharing(), 1, 1);
  ASSERT_OK_AND_ASSIGN(const Facts facts, run_next(*each, {"exit", "0"}));
  EXPECT_EQ(facts.network, "none/shared-empty");
  EXPECT_EQ(own_network(), before);
  std::string of_this_thread;
  std::thread([&] { of_this_thread = std::filesystem::read_symlink("/proc/thread-self/ns/net").string(); }).join();
  EXPECT_EQ(of_this_thread, before);
}

// --proc shows a program its own network's interfaces through nothing; the kernel's list is read from outside.
TEST_F(Pools, TheSharedNetworkHasALoopbackThatIsDownAndNothingElse) {
  const auto each = pool(sharing(), 1, 1);
  ASSERT_TRUE(full(*each, 1));
  const auto interfaces = [](pid_t process) {
    std::ifstream list("/proc/" + std::to_string(process) + "/net/dev");
    std::set<std::string> names;
    for (std::string line; std::getline(list, line);)
      if (const std::size_t colon = line.find(':'); colon != std::string::npos)
        names.insert(line.substr(line.find_first_not_of(' '), colon - line.find_first_not_of(' ')));
    return names;
  };
  EXPECT_EQ(interfaces(inside().front()), std::set<std::string>{"lo"});
  std::ifstream routes("/proc/" + std::to_string(inside().front()) + "/net/fib_trie");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(routes), {}).find("127.0.0"), std::string::npos)
      << "a loopback that is up has its addresses";
}

TEST_F(Pools, EachHasAFreshNetworkUnlessItsPlanAndItsFilterAllowSharing) {
  Plan with_loopback = sharing();
  with_loopback.network = Network::loopback;
  Plan with_sockets = sharing();
  with_sockets.filter = *seccomp_profiles::builtin_filter("go-run-loopback");
  const std::pair<const char*, Plan> plans[] = {{"not asked for", plan()},
                                                {"loopback", with_loopback},
                                                {"a filter that lets sockets be made", with_sockets},
                                                {"no filter", with(sharing(), "seccomp")}};
  for (const auto& [why, fresh] : plans) {
    EXPECT_FALSE(shares_network(fresh)) << why;
    const auto each = pool(fresh, 2, 2);
    ASSERT_TRUE(full(*each, 2)) << why;
    std::set<std::string> networks;
    for (const pid_t pid : inside()) networks.insert(network_of(pid));
    EXPECT_EQ(networks.size(), 2u) << why;
    EXPECT_EQ(networks.count(own_network()), 0u) << why;
    ASSERT_OK_AND_ASSIGN(const Facts facts, run_next(*each, {"exit", "0"}));
    EXPECT_EQ(facts.network, fresh.network == Network::loopback ? "loopback/fresh" : "none/fresh") << why;
  }
  EXPECT_TRUE(shares_network(sharing()));
  EXPECT_EQ(with(sharing(), "network").weaken.size(), 1u);
  EXPECT_FALSE(shares_network(with(sharing(), "network")));
}

// Who is root of the host may configure anything; what was shared until then is not from then on.
TEST_F(Pools, ANetworkThatSomebodyConfiguredIsNotSharedAnyLonger) {
  const auto each = pool(sharing(), 1, 2);
  ASSERT_TRUE(full(*each, 1));
  const UniqueFd network(
      ::open(("/proc/" + std::to_string(inside().front()) + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
  std::thread([&] {
    ASSERT_EQ(::setns(network.get(), CLONE_NEWNET), 0);
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq up{};
    std::strcpy(up.ifr_name, "lo");
    up.ifr_flags = IFF_UP;
    ASSERT_EQ(::ioctl(socket.get(), SIOCSIFFLAGS, &up), 0);
  }).join();
  ASSERT_OK(run_next(*each, {"exit", "0"}));  // was looked at before
  ASSERT_OK_AND_ASSIGN(const Facts facts, run_next(*each, {"exit", "0"}));
  EXPECT_EQ(facts.network, "none/fresh");
}

TEST_F(Pools, NoSocketReachesFromOneSandboxToAnother) {
  const auto each = pool(sharing(), 2, 2);
  ASSERT_OK_AND_ASSIGN(const Facts listens, run_next(*each, {"abstract-listen", "meet"}));
  EXPECT_EQ(listens.stdout_stream.captured, "EPERM\n");
  EXPECT_EQ(listens.network, "none/shared-empty");
  EXPECT_EQ(output_of_next(*each, {"abstract-connect", "meet"}), "EPERM\n");
}

// The filter is what keeps them apart there, and why a plan without one does not share. Landlock would be a second wall
// where the kernel has its scopes; it is off here too.
TEST_F(Pools, ControlWithoutTheFilterASharedNetworkWouldBeAWay) {
  HostState own = *open_host_state();
  own.landlock_abi = 0;
  std::thread([&] {
    ASSERT_OK_AND_ASSIGN(const auto network, namespaces::EmptyNetwork::enter());
    const auto outcome = [&](const namespaces::EmptyNetwork* second) -> std::string {
      const PoolMembership shared{&network}, other{second};
      Plan open = with(plan(), "seccomp");
      open.id += second != nullptr ? "-a" : "-b";
      auto listener = prepare_sandbox(own, open, nullptr, &shared);
      open.id += "-c";
      auto connector = prepare_sandbox(own, open, nullptr, &other);
      if (!listener || !connector) return "not prepared";
      LaunchedSandbox first(std::move(*listener)), then(std::move(*connector));
      if (!first.start({payload(), {"payload", "abstract-listen", "meet"}, {}}, captured(), nullptr))
        return "not started";
      std::this_thread::sleep_for(200ms);
      auto facts = run_in(then, {"abstract-connect", "meet"});
      return facts ? facts->stdout_stream.captured : facts.error().what;
    };
    EXPECT_EQ(outcome(&network), "ok\n");
    EXPECT_EQ(outcome(nullptr), "ECONNREFUSED\n") << "and a fresh one is none";
  }).join();
}

}  // namespace
}  // namespace sandbox_run::launch
