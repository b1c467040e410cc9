// The v2 code's handling of files, on a plain directory tree that stands in for the kernel: what a v1 host cannot show
// otherwise. The real thing runs in tests/vm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/testing.h"
#include "cgroups/surroundings.h"

namespace sandbox_run::cgroups {
namespace {

using namespace unit_literals;
using testing::HasSubstr;

void put(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
std::string get(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class V2OnPlainFiles : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sandbox-run-v2-test.XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    put(root_ + "/cgroup.controllers", "cpuset cpu io memory pids\n");
    put(root_ + "/cgroup.subtree_control", "cpu io memory pids\n");
    put(root_ + "/cgroup.procs", "1\n2\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  Surroundings surroundings() {
    Surroundings around;
    around.mountinfo = "41 31 0:38 / " + root_ + " rw - cgroup2 cgroup2 rw\n";
    around.own_groups = "0::/\n";
    around.supervisor = Supervisor{::getpid(), 77, 5};
    around.kernel.after_mkdir = [this](const std::string& path) {
      for (const auto& [file, text] : files_) put(path + "/" + file, text);
    };
    around.kernel.before_rmdir = [this](const std::string& path) {
      if (path == last_group()) {
        for (const auto& [file, text] : files_) at_removal_[file] = get(path + "/" + file);
      }
      for (const auto& entry : std::filesystem::directory_iterator(path)) std::filesystem::remove(entry.path());
    };
    return around;
  }
  std::string last_group() const { return root_ + "/sandbox-run/" + group_name(Supervisor{::getpid(), 77, 5}, "run"); }

  std::string root_;
  std::map<std::string, std::string> at_removal_;
  std::map<std::string, std::string> files_ = {
      {"cgroup.controllers", "cpu memory pids\n"},
      {"cgroup.subtree_control", "cpu memory pids"},
      {"cgroup.procs", ""},
      {"cgroup.kill", ""},
      {"cgroup.events", "populated 0\nfrozen 0\n"},
      {"cgroup.max.descendants", ""},
      {"memory.max", ""},
      {"memory.swap.max", ""},
      {"memory.zswap.max", ""},
      {"memory.oom.group", ""},
      {"memory.current", "4096\n"},
      {"memory.peak", "8192\n"},
      {"memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n"},
      {"pids.max", ""},
      {"pids.events", "max 7\n"},
      {"pids.peak", "5\n"},
      {"cpu.max", ""},
      {"cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 0\n"},
  };
};

TEST_F(V2OnPlainFiles, WritesEveryLimit) {
  ASSERT_OK_AND_ASSIGN(const auto hierarchy, open_hierarchy(surroundings()));
  EXPECT_EQ(hierarchy->version(), 2);
  EXPECT_EQ(hierarchy->description(), "v2: " + root_ + "/sandbox-run");
  ASSERT_OK_AND_ASSIGN(auto group, hierarchy->create("run", {.memory = 16_MiB, .processes = 9, .cpus = 1.5}));
  EXPECT_GE(group->clone_into(), 0);
  EXPECT_TRUE(group->join_files().empty());
  EXPECT_EQ(get(last_group() + "/memory.max"), "16777216");
  EXPECT_EQ(get(last_group() + "/memory.swap.max"), "0");
  EXPECT_EQ(get(last_group() + "/memory.zswap.max"), "0");
  EXPECT_EQ(get(last_group() + "/memory.oom.group"), "1");
  EXPECT_EQ(get(last_group() + "/pids.max"), "9");
  EXPECT_EQ(get(last_group() + "/cpu.max"), "150000 100000");
  EXPECT_EQ(get(last_group() + "/cgroup.max.descendants"), "0");
  group.reset();
  EXPECT_EQ(at_removal_["cgroup.kill"], "1") << "the destructor kills before it removes";
  EXPECT_FALSE(std::filesystem::exists(last_group()));
}

TEST_F(V2OnPlainFiles, ReadsEveryCounter) {
  ASSERT_OK_AND_ASSIGN(const auto hierarchy, open_hierarchy(surroundings()));
  EXPECT_TRUE(hierarchy->missing_counters().empty());
  ASSERT_OK_AND_ASSIGN(const auto group, hierarchy->create("run", {.memory = 16_MiB, .processes = 9}));
  ASSERT_OK_AND_ASSIGN(const Usage usage, group->usage());
  EXPECT_EQ(usage.cpu.value.count(), 1500);
  EXPECT_EQ(usage.user.value.count(), 1000);
  EXPECT_EQ(usage.system.value.count(), 500);
  EXPECT_EQ(usage.memory_peak.count, 8192u);
  EXPECT_EQ(usage.oom_kills, 2u);
  EXPECT_EQ(usage.process_limit_hits, 7u);
  EXPECT_EQ(usage.processes_peak, 5u);
}

TEST_F(V2OnPlainFiles, WithoutPeakFilesTheLargestSampleStandsInAndDoctorIsTold) {
  files_.erase("memory.peak");
  files_.erase("pids.peak");
  ASSERT_OK_AND_ASSIGN(const auto hierarchy, open_hierarchy(surroundings()));
  EXPECT_EQ(hierarchy->missing_counters().size(), 2u);
  ASSERT_OK_AND_ASSIGN(const auto group, hierarchy->create("run", {.memory = 16_MiB, .processes = 9}));
  put(last_group() + "/memory.current", "900000\n");
  ASSERT_OK(group->memory_now());
  put(last_group() + "/memory.current", "100\n");
  ASSERT_OK_AND_ASSIGN(const Usage usage, group->usage());
  EXPECT_EQ(usage.memory_peak.count, 900000u);
  EXPECT_EQ(usage.processes_peak, 0u);
}

TEST_F(V2OnPlainFiles, SwapAndZswapMayBeAbsentButNoOtherLimitMay) {
  files_.erase("memory.swap.max");
  files_.erase("memory.zswap.max");
  ASSERT_OK_AND_ASSIGN(const auto hierarchy, open_hierarchy(surroundings()));
  EXPECT_OK(hierarchy->create("run", {.memory = 16_MiB, .processes = 9}));
  for (const char* file : {"memory.max", "memory.oom.group", "pids.max", "cpu.max", "cgroup.max.descendants",
                           "cpu.stat", "memory.events", "memory.current", "pids.events"}) {
    const auto node = files_.extract(file);
    const auto group = hierarchy->create("run", {.memory = 16_MiB, .processes = 9});
    ASSERT_FALSE(group.has_value()) << file;
    EXPECT_THAT(group.error().what, HasSubstr(last_group() + "/" + file));
    EXPECT_FALSE(std::filesystem::exists(last_group())) << "left over without " << file;
    files_[file] = node.mapped();
  }
}

TEST_F(V2OnPlainFiles, EnablesTheControllersAParentDoesNotPassOn) {
  put(root_ + "/cgroup.subtree_control", "");
  ASSERT_EQ(::truncate((root_ + "/cgroup.subtree_control").c_str(), 0), 0);
  EXPECT_OK(open_hierarchy(surroundings()));
  EXPECT_EQ(get(root_ + "/cgroup.subtree_control"), "+memory +pids +cpu");
}

TEST_F(V2OnPlainFiles, TakesTheConfiguredParentAndNoOther) {
  std::filesystem::create_directory(root_ + "/given");
  for (const auto& [file, text] : files_) put(root_ + "/given/" + file, text);
  Surroundings around = surroundings();
  for (const std::string& name : {std::string("/given"), std::string("given/"), root_ + "/given"}) {
    around.parent = name;
    ASSERT_OK_AND_ASSIGN(const auto hierarchy, open_hierarchy(around));
    EXPECT_EQ(hierarchy->description(), "v2: " + root_ + "/given/sandbox-run") << name;
  }
  around.parent = "/absent";
  const auto opened = open_hierarchy(around);
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(opened.error().what, HasSubstr("SANDBOX_RUN_CGROUP=/absent"));
}

TEST_F(V2OnPlainFiles, NamesTheControllerADelegatedGroupWasNotGiven) {
  std::filesystem::create_directory(root_ + "/user");
  files_["cgroup.controllers"] = "memory pids\n";
  for (const auto& [file, text] : files_) put(root_ + "/user/" + file, text);
  Surroundings around = surroundings();
  around.parent = "/user";
  const auto opened = open_hierarchy(around);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().fault, Fault::host);
  EXPECT_THAT(opened.error().what, HasSubstr("cgroup cpu: " + root_ + "/user was not given this controller"));
  EXPECT_THAT(opened.error().what, HasSubstr("Delegate=cpu memory pids"));
}

TEST_F(V2OnPlainFiles, ACounterThatIsNoNumberIsAnError) {
  files_["memory.current"] = "banana\n";
  files_["cpu.stat"] = "user_usec 1\n";
  ASSERT_OK_AND_ASSIGN(const auto hierarchy, open_hierarchy(surroundings()));
  ASSERT_OK_AND_ASSIGN(const auto group, hierarchy->create("run", {.memory = 16_MiB, .processes = 9}));
  const auto memory = group->memory_now();
  ASSERT_FALSE(memory.has_value());
  EXPECT_THAT(memory.error().what, HasSubstr("banana"));
  const auto cpu = group->cpu_time();
  ASSERT_FALSE(cpu.has_value());
  EXPECT_THAT(cpu.error().what, HasSubstr("usage_usec"));
}

TEST_F(V2OnPlainFiles, EndsOrphansByName) {
  ASSERT_OK_AND_ASSIGN(Supervisor self, this_supervisor());
  Surroundings around = surroundings();
  around.supervisor = self;
  ASSERT_OK_AND_ASSIGN(const auto hierarchy, open_hierarchy(around));
  Supervisor gone = self;
  gone.start_time -= 1;
  const std::string top = root_ + "/sandbox-run/";
  for (const std::string& name : {group_name(gone, "a"), group_name(self, "b"), std::string("not-ours")}) {
    std::filesystem::create_directory(top + name);
    for (const auto& [file, text] : files_) put(top + name + "/" + file, text);
  }
  ASSERT_OK_AND_ASSIGN(const int ended, hierarchy->end_orphans());
  EXPECT_EQ(ended, 1);
  EXPECT_FALSE(std::filesystem::exists(top + group_name(gone, "a")));
  EXPECT_TRUE(std::filesystem::exists(top + group_name(self, "b")));
  EXPECT_TRUE(std::filesystem::exists(top + "not-ours"));
}

TEST(CpuQuota, IsMicrosecondsPerPeriodAndNeverBelowTheKernelsMinimum) {
  EXPECT_EQ(cpu_quota_microseconds(1), 100'000u);
  EXPECT_EQ(cpu_quota_microseconds(0.5), 50'000u);
  EXPECT_EQ(cpu_quota_microseconds(2.25), 225'000u);
  EXPECT_EQ(cpu_quota_microseconds(0.0001), 1'000u);
}

}  // namespace
}  // namespace sandbox_run::cgroups
