// The walls for real, on whichever cgroup version this machine has: v1 on the development host, v2 in tests/vm.
#include "cgroups/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <thread>

#include "base/files.h"
#include "base/testing.h"
#include "cgroups/surroundings.h"

namespace sandbox_run::cgroups {
namespace {

using namespace unit_literals;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Starts `body` inside the group as launch does: by CLONE_INTO_CGROUP, or by the child writing itself in. Returns when
// it is inside.
pid_t start_in(const Cgroup& group, const std::function<int()>& body) {
  const std::vector<int> join = group.join_files();
  int inside[2];
  if (::pipe2(inside, O_CLOEXEC) != 0) return -1;
  clone_args args{};
  args.exit_signal = SIGCHLD;
  if (group.clone_into() >= 0) {
    args.flags = CLONE_INTO_CGROUP;
    args.cgroup = static_cast<__u64>(group.clone_into());
  }
  const pid_t pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
  if (pid != 0) {
    char byte;
    ::close(inside[1]);
    const bool is_inside = ::read(inside[0], &byte, 1) == 1;
    ::close(inside[0]);
    return is_inside ? pid : -1;
  }
  for (const int fd : join)
    if (::write(fd, "0", 1) != 1) ::_exit(99);
  if (::write(inside[1], "", 1) != 1) ::_exit(98);
  ::close(inside[0]);
  ::close(inside[1]);
  ::_exit(body());
}

int wait_status(pid_t pid) {
  int status = -1;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

int touch_memory(std::size_t bytes) {
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 98;
  for (std::size_t at = 0; at < bytes; at += 4096) static_cast<volatile char*>(memory)[at] = 1;
  return 0;
}

int burn_cpu(milliseconds time) {
  timespec now{};
  do {
    for (int i = 0; i < 1000; ++i) __asm__ volatile("");
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  } while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < time.count());
  return 0;
}

std::vector<std::string> directories_below(const std::string& path) {
  std::vector<std::string> names;
  DIR* const stream = ::opendir(path.c_str());
  if (stream == nullptr) return names;
  while (const dirent* entry = ::readdir(stream))
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.push_back(path + "/" + entry->d_name);
  ::closedir(stream);
  return names;
}

class CgroupOnThisHost : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Hierarchy::open();
    ASSERT_OK(opened);
    hierarchy_ = std::move(opened).value();
    // Grandchildren of a killed storm come to us, so that none is left as a zombie of a foreign init.
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  }
  void TearDown() override {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (hierarchy_) {
      EXPECT_EQ(ours(), std::vector<std::string>{}) << "left over";
    }
  }

  // Every directory of this process's runs, in any hierarchy.
  std::vector<std::string> ours(pid_t pid = ::getpid()) const {
    std::vector<std::string> found;
    std::string text = hierarchy_->description();
    std::replace(text.begin(), text.end(), ',', ' ');
    for (const std::string& word : words(text)) {
      if (!word.starts_with('/')) continue;
      for (const std::string& path : directories_below(word))
        if (path.starts_with(word + "/" + std::to_string(pid) + "-")) found.push_back(path);
    }
    return found;
  }

  std::unique_ptr<Cgroup> make(const Limits& limits) {
    auto group = hierarchy_->create("test-" + std::to_string(++serial_), limits);
    if (!group) {
      ADD_FAILURE() << group.error().what;
      return nullptr;
    }
    return std::move(group).value();
  }

  std::unique_ptr<Hierarchy> hierarchy_;
  int serial_ = 0;
};

TEST_F(CgroupOnThisHost, KillsWhatExceedsItsMemoryAndCountsIt) {
  const auto group = make({.memory = 16_MiB, .processes = 8});
  ASSERT_TRUE(group);
  const int status = wait_status(start_in(*group, [] { return touch_memory(64 << 20); }));
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  ASSERT_OK_AND_ASSIGN(const Usage usage, group->usage());
  EXPECT_GE(usage.oom_kills, 1u);
  EXPECT_GE(usage.memory_peak, 15_MiB);
  EXPECT_LE(usage.memory_peak, 17_MiB);
}

TEST_F(CgroupOnThisHost, ControlTheSameMemoryIsFineUnderALargerLimit) {
  const auto group = make({.memory = 128_MiB, .processes = 8});
  ASSERT_TRUE(group);
  const int status = wait_status(start_in(*group, [] { return touch_memory(64 << 20); }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  ASSERT_OK_AND_ASSIGN(const Usage usage, group->usage());
  EXPECT_EQ(usage.oom_kills, 0u);
  EXPECT_GE(usage.memory_peak, 64_MiB);
}

TEST_F(CgroupOnThisHost, TheMemoryPeakCanBeginAnew) {
  const auto group = make({.memory = 128_MiB, .processes = 8});
  ASSERT_TRUE(group);
  EXPECT_EQ(wait_status(start_in(*group, [] { return touch_memory(32 << 20); })), 0);
  ASSERT_OK_AND_ASSIGN(const Usage before, group->usage());
  EXPECT_GE(before.memory_peak, 32_MiB);
  const pid_t second = start_in(*group, [] {
    ::usleep(200'000);
    return touch_memory(8 << 20);
  });
  ASSERT_OK(group->begin());
  EXPECT_TRUE(group->join_files().empty());
  EXPECT_EQ(wait_status(second), 0);
  ASSERT_OK_AND_ASSIGN(const Usage after, group->usage());
  EXPECT_GE(after.memory_peak, 8_MiB);
  if (hierarchy_->version() == 2) return;  // takes Linux 6.12 there
  EXPECT_LT(after.memory_peak, 24_MiB);
}

int fork_sleepers(int wanted) {
  int made = 0;
  for (int i = 0; i < wanted; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0)
      for (;;) ::pause();
    made += pid > 0;
  }
  return made;
}

TEST_F(CgroupOnThisHost, RefusesProcessesAboveTheLimitAndCountsThem) {
  const auto group = make({.memory = 64_MiB, .processes = 4});
  ASSERT_TRUE(group);
  const int status = wait_status(start_in(*group, [] { return fork_sleepers(10); }));
  EXPECT_EQ(WEXITSTATUS(status), 3);
  ASSERT_OK_AND_ASSIGN(const Usage usage, group->usage());
  EXPECT_GE(usage.process_limit_hits, 1u);
  if (hierarchy_->missing_counters().empty()) {
    EXPECT_EQ(usage.processes_peak, 4u);
  }
  EXPECT_OK(group->kill());
  ASSERT_OK_AND_ASSIGN(const Usage after, group->usage());
  EXPECT_EQ(after.process_limit_hits, usage.process_limit_hits) << "our own kill counted as theirs";
}

TEST_F(CgroupOnThisHost, ControlTheSameProcessesAreFineUnderALargerLimit) {
  const auto group = make({.memory = 64_MiB, .processes = 32});
  ASSERT_TRUE(group);
  EXPECT_EQ(WEXITSTATUS(wait_status(start_in(*group, [] { return fork_sleepers(10); }))), 10);
  ASSERT_OK_AND_ASSIGN(const Usage usage, group->usage());
  EXPECT_EQ(usage.process_limit_hits, 0u);
  EXPECT_OK(group->kill());
}

// How long 100 ms of processor time take under `cpus`.
milliseconds time_to_burn(const Cgroup& group) {
  const auto start = Clock::now();
  const int status = wait_status(start_in(group, [] { return burn_cpu(milliseconds(100)); }));
  EXPECT_EQ(status, 0);
  return std::chrono::duration_cast<milliseconds>(Clock::now() - start);
}

TEST_F(CgroupOnThisHost, HoldsAProgramToItsShareOfTheProcessor) {
  const auto group = make({.memory = 64_MiB, .processes = 4, .cpus = 0.05});
  ASSERT_TRUE(group);
  EXPECT_GE(time_to_burn(*group), milliseconds(1200));  // 5 ms in every 100
}

TEST_F(CgroupOnThisHost, ControlWithoutAShareTheProcessorIsFree) {
  milliseconds best = milliseconds::max();
  for (int attempt = 0; attempt < 3; ++attempt) {  // the machine may be busy
    const auto group = make({.memory = 64_MiB, .processes = 4, .cpus = 0});
    ASSERT_TRUE(group);
    best = std::min(best, time_to_burn(*group));
  }
  EXPECT_LT(best, milliseconds(1200));
}

TEST_F(CgroupOnThisHost, CountsTheProcessorTimeOfDeadTasks) {
  const auto group = make({.memory = 64_MiB, .processes = 4});
  ASSERT_TRUE(group);
  ASSERT_OK_AND_ASSIGN(const CpuTime before, group->cpu_time());
  EXPECT_EQ(wait_status(start_in(*group, [] { return burn_cpu(milliseconds(60)); })), 0);
  ASSERT_OK_AND_ASSIGN(const CpuTime first, group->cpu_time());
  EXPECT_GE(first.value - before.value, milliseconds(55));
  EXPECT_EQ(wait_status(start_in(*group, [] { return burn_cpu(milliseconds(60)); })), 0);
  ASSERT_OK_AND_ASSIGN(const Usage usage, group->usage());
  EXPECT_GE(usage.cpu.value, milliseconds(110));
  EXPECT_GE(usage.user.value + usage.system.value, milliseconds(80));
}

TEST_F(CgroupOnThisHost, KillsAForkStormToTheLast) {
  const auto group = make({.memory = 256_MiB, .processes = 200});
  ASSERT_TRUE(group);
  const pid_t pid = start_in(*group, [] {
    // Each generation forks the next and ends: pids change thousands of times a second and none lives long.
    for (;;) {
      const pid_t parent = ::fork();
      if (parent > 0) ::_exit(0);
      if (parent == 0 && ::fork() < 0) ::sched_yield();
    }
    return 0;
  });
  ASSERT_GT(pid, 0);
  std::this_thread::sleep_for(milliseconds(200));
  ASSERT_OK_AND_ASSIGN(const CpuTime alive, group->cpu_time());
  EXPECT_GT(alive.value.count(), 0);
  const auto start = Clock::now();
  EXPECT_OK(group->kill());
  EXPECT_LT(Clock::now() - start, milliseconds(3000));
  ASSERT_OK_AND_ASSIGN(const CpuTime dead, group->cpu_time());
  std::this_thread::sleep_for(milliseconds(50));
  ASSERT_OK_AND_ASSIGN(const CpuTime later, group->cpu_time());
  EXPECT_LE((later.value - dead.value).count(), 5000) << "something still runs";
  EXPECT_OK(group->remove());
}

TEST_F(CgroupOnThisHost, TheDestructorKillsAndRemoves) {
  pid_t pid = -1;
  {
    const auto group = make({.memory = 64_MiB, .processes = 4});
    ASSERT_TRUE(group);
    pid = start_in(*group, [] {
      for (;;) ::pause();
      return 0;
    });
    EXPECT_FALSE(ours().empty());
  }
  EXPECT_EQ(WTERMSIG(wait_status(pid)), SIGKILL);
  EXPECT_TRUE(ours().empty());
}

TEST_F(CgroupOnThisHost, SwapsNothingAndLeavesTheKillerOn) {
  const auto group = make({.memory = 16_MiB, .processes = 4});
  ASSERT_TRUE(group);
  for (const std::string& path : ours()) {
    const auto text = [&path](const char* file) {
      auto content = read_file(path + "/" + file, Bytes{4096});
      return content ? *content : std::string();
    };
    if (hierarchy_->version() == 2) {
      EXPECT_EQ(text("memory.swap.max"), "0\n");
      EXPECT_EQ(text("memory.oom.group"), "1\n");
    } else if (path.find("/memory/") != std::string::npos) {
      EXPECT_EQ(text("memory.swappiness"), "0\n");
      EXPECT_TRUE(text("memory.oom_control").starts_with("oom_kill_disable 0\n"));
    } else if (!text("cpu.cfs_period_us").empty()) {
      EXPECT_EQ(text("cpu.cfs_period_us"), "100000\n");
      EXPECT_EQ(text("cpu.cfs_quota_us"), "100000\n");
    }
  }
}

TEST_F(CgroupOnThisHost, RefusesAnIdThatIsNoName) {
  for (const char* id : {"", "a/b", "..", "A"}) EXPECT_FALSE(hierarchy_->create(id, {}).has_value()) << id;
}

TEST_F(CgroupOnThisHost, TwoRunsOfOneNameCannotMeet) {
  ASSERT_OK_AND_ASSIGN(const auto first, hierarchy_->create("same", {.memory = 16_MiB, .processes = 4}));
  const auto second = hierarchy_->create("same", {.memory = 16_MiB, .processes = 4});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().sys_errno, EEXIST);
  EXPECT_FALSE(ours().empty()) << "the failed one removed the other's group";
}

TEST_F(CgroupOnThisHost, EndsTheOrphansOfAKilledSupervisorAndOnlyThose) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t supervisor = ::fork();
  if (supervisor == 0) {
    auto hierarchy = Hierarchy::open();
    if (!hierarchy) ::_exit(97);
    auto group = (*hierarchy)->create("orphan", {.memory = 64_MiB, .processes = 4});
    if (!group) ::_exit(96);
    const pid_t member = start_in(**group, [] {
      for (;;) ::pause();
      return 0;
    });
    if (::write(ready[1], &member, sizeof member) != sizeof member) ::_exit(95);
    for (;;) ::pause();
  }
  ::close(ready[1]);
  pid_t member = -1;
  ASSERT_EQ(::read(ready[0], &member, sizeof member), static_cast<ssize_t>(sizeof member));
  ::close(ready[0]);
  ASSERT_OK(hierarchy_->end_orphans());
  EXPECT_FALSE(ours(supervisor).empty()) << "a living supervisor's group is not ours to end";
  EXPECT_EQ(::kill(member, 0), 0);

  ::kill(supervisor, SIGKILL);
  siginfo_t info;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(supervisor), &info, WEXITED | WNOWAIT), 0);
  ASSERT_OK_AND_ASSIGN(const int ended, hierarchy_->end_orphans());
  EXPECT_GE(ended, 1);
  EXPECT_TRUE(ours(supervisor).empty());
  EXPECT_EQ(WTERMSIG(wait_status(member)), SIGKILL);
  wait_status(supervisor);
}

std::vector<int> open_descriptors() {
  std::vector<int> open;
  for (int fd = 0; fd < 1024; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0) open.push_back(fd);
  return open;
}

TEST_F(CgroupOnThisHost, ItsDescriptorsAreClosedByExecAndByTheDestructor) {
  const std::vector<int> before = open_descriptors();
  {
    const auto group = make({.memory = 16_MiB, .processes = 4});
    ASSERT_TRUE(group);
    const std::vector<int> during = open_descriptors();
    EXPECT_GT(during.size(), before.size());
    for (const int fd : during)
      if (!std::binary_search(before.begin(), before.end(), fd)) {
        EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC) << fd;
      }
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(CgroupErrors, NameThePathTheReasonAndTheRemedy) {
  ASSERT_OK_AND_ASSIGN(Surroundings surroundings, look_around());
  surroundings.parent = "/no-such-group";
  const auto opened = open_hierarchy(std::move(surroundings));
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().fault, Fault::host);
  EXPECT_EQ(opened.error().sys_errno, ENOENT);
  EXPECT_NE(opened.error().what.find("/no-such-group"), std::string::npos) << opened.error().what;
  EXPECT_NE(opened.error().what.find("doctor"), std::string::npos) << opened.error().what;
}

TEST(CgroupErrors, SayWhenNoHierarchyIsMounted) {
  const auto opened = open_hierarchy(Surroundings{});
  ASSERT_FALSE(opened.has_value());
  EXPECT_NE(opened.error().what.find("mount -t cgroup2"), std::string::npos) << opened.error().what;
}

TEST(CgroupErrors, NameTheMissingV1Controller) {
  Surroundings surroundings;
  surroundings.mountinfo = "1 2 0:3 / /no-such-place rw - cgroup cgroup rw,memory\n";
  const auto opened = open_hierarchy(surroundings);
  ASSERT_FALSE(opened.has_value());
  EXPECT_TRUE(opened.error().what.starts_with("cgroup memory: cannot create /no-such-place/sandbox-run: No such file"))
      << opened.error().what;
  surroundings.mountinfo = "1 2 0:3 / /tmp rw - cgroup cgroup rw,cpu\n";
  const auto neither = open_hierarchy(surroundings);
  ASSERT_FALSE(neither.has_value());
}

}  // namespace
}  // namespace sandbox_run::cgroups
