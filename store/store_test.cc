#include "store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/testing.h"
#include "store/cache.h"
#include "store/entries.h"

namespace sandbox_run::store {
namespace {

namespace fs = std::filesystem;
using namespace unit_literals;

class StoreTest : public ::testing::Test {
 protected:
  std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  // An entry of about `size` that was last used `age` seconds ago.
  void make_entry(const std::string& path, std::size_t size, int age) {
    fs::create_directories(path);
    ASSERT_OK(replace_file(path + "/content", std::string(size, 'x')));
    timespec then{::time(nullptr) - age, 0};
    timespec times[2] = {then, then};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  TemporaryDirectory temporary_;
  const std::string dir_ = temporary_.path();
};

// Runs `body` in a child process; its exit status says whether it went well.
template <class Body>
pid_t in_child(Body body) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

void append_byte(const std::string& file) {
  UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  ASSERT_EQ(::write(fd.get(), "x", 1), 1);
}

bool wait_until_exists(const std::string& path) {
  for (int i = 0; i < 1000 && !fs::exists(path); ++i) ::usleep(10'000);
  return fs::exists(path);
}

TEST_F(StoreTest, TwentyAtOnceFillOnceAndAllSeeTheWholeEntry) {
  const std::string path = dir_ + "/cache/std";
  std::vector<pid_t> children;
  for (int i = 0; i < 20; ++i)
    children.push_back(in_child([&] {
      Status status = fill_once(path, [&](const std::string& temporary) -> Status {
        append_byte(dir_ + "/fills");
        ::usleep(100'000);
        return replace_file(temporary + "/content", "whole");
      });
      Result<std::string> content = read_file(path + "/content", 1_KiB);
      return status && content && *content == "whole";
    }));
  for (pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(fs::file_size(dir_ + "/fills"), 1u);
  EXPECT_EQ(names_in(dir_ + "/cache"), std::vector<std::string>{"std"}) << "no lock and no temporary stays";
}

TEST_F(StoreTest, AFillerKilledMidwayIsHealedByTheNext) {
  const std::string path = dir_ + "/std";
  pid_t victim = in_child([&] {
    return fill_once(path,
                     [&](const std::string& temporary) -> Status {
                       TRY_STATUS(replace_file(temporary + "/half", "half"));
                       TRY_STATUS(replace_file(dir_ + "/started", ""));
                       ::pause();
                       return {};
                     })
        .has_value();
  });
  ASSERT_TRUE(wait_until_exists(dir_ + "/started"));
  std::vector<pid_t> waiters;
  for (int i = 0; i < 19; ++i)
    waiters.push_back(in_child([&] {
      Status status = fill_once(path, [&](const std::string& temporary) -> Status {
        append_byte(dir_ + "/fills");
        return replace_file(temporary + "/content", "whole");
      });
      return status && fs::exists(path + "/content");
    }));
  ::usleep(100'000);
  EXPECT_FALSE(fs::exists(path)) << "control: the others wait while the filler lives";
  ASSERT_EQ(::kill(victim, SIGKILL), 0);
  EXPECT_TRUE(WIFSIGNALED(wait_for(victim)));
  for (pid_t child : waiters) EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(fs::file_size(dir_ + "/fills"), 1u);
  EXPECT_EQ(names_in(path), std::vector<std::string>{"content"}) << "nothing of the killed one";
  EXPECT_FALSE(fs::exists(path + ".filling"));
}

TEST_F(StoreTest, AFailedFillLeavesNothingAndItsErrorIsReturned) {
  Status failed = fill_once(dir_ + "/e", [&](const std::string& temporary) -> Status {
    TRY_STATUS(replace_file(temporary + "/half", "half"));
    return host_error("the network is gone");
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().what, "the network is gone");
  EXPECT_EQ(names_in(dir_), std::vector<std::string>{});
  EXPECT_OK(fill_once(dir_ + "/e", [&](const std::string&) -> Status { return {}; }));
}

TEST_F(StoreTest, ExistingEntriesAreNotFilledAgainButMarkedAsUsed) {
  make_entry(dir_ + "/e", 1, 1000);
  EXPECT_OK(fill_once(dir_ + "/e", [&](const std::string&) -> Status { return self_error("must not run"); }));
  struct stat info {};
  ASSERT_EQ(::stat((dir_ + "/e").c_str(), &info), 0);
  EXPECT_GT(info.st_mtim.tv_sec, ::time(nullptr) - 100);
}

TEST_F(StoreTest, EvictRemovesTheLeastRecentlyUsedUntilTheCapHolds) {
  make_entry(dir_ + "/old", 100'000, 300);
  make_entry(dir_ + "/middle", 100'000, 200);
  make_entry(dir_ + "/new", 100'000, 100);
  ASSERT_OK(evict(dir_, 1_MiB));
  EXPECT_EQ(names_in(dir_), (std::vector<std::string>{"middle", "new", "old"})) << "control: under the cap all stay";
  ASSERT_OK(evict(dir_, 220_KiB));
  EXPECT_EQ(names_in(dir_), (std::vector<std::string>{"middle", "new"}));
  ASSERT_OK(evict(dir_, 1_KiB));
  EXPECT_EQ(names_in(dir_), std::vector<std::string>{});
}

TEST_F(StoreTest, EvictLeavesHeldEntriesAndFillersAlone) {
  make_entry(dir_ + "/held", 100'000, 300);
  make_entry(dir_ + "/free", 100'000, 200);
  make_entry(dir_ + "/other.filling", 100'000, 400);
  ASSERT_OK_AND_ASSIGN(UniqueFd held, hold(dir_ + "/held"));
  ASSERT_OK(evict(dir_, 1_KiB));
  EXPECT_EQ(names_in(dir_), (std::vector<std::string>{"held", "other.filling"}));
  held.reset();
  ASSERT_OK(evict(dir_, 1_KiB));  // control
  EXPECT_EQ(names_in(dir_), std::vector<std::string>{"other.filling"});
}

TEST_F(StoreTest, EvictFinishesWhatAKilledOneBegan) {
  make_entry(dir_ + "/e.removed", 10, 0);
  ASSERT_OK(evict(dir_, 1_MiB));
  EXPECT_EQ(names_in(dir_), std::vector<std::string>{});
}

TEST_F(StoreTest, HoldingWhatIsNotThereSaysSo) {
  auto held = hold(dir_ + "/absent");
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().sys_errno, ENOENT);
  EXPECT_OK(fill_and_hold(dir_ + "/absent", [](const std::string&) -> Status { return {}; }));
}

TEST_F(StoreTest, MakeReadOnlyKeepsExecutablesAndRefusesLinks) {
  fs::create_directories(dir_ + "/t/bin");
  ASSERT_OK(replace_file(dir_ + "/t/bin/go", "x", 0755));
  ASSERT_OK(replace_file(dir_ + "/t/file", "x", 0666));
  ASSERT_OK(make_read_only(dir_ + "/t"));
  auto mode = [&](const char* name) {
    struct stat info {};
    EXPECT_EQ(::stat((dir_ + name).c_str(), &info), 0);
    return info.st_mode & 07777;
  };
  EXPECT_EQ(mode("/t"), 0555u);
  EXPECT_EQ(mode("/t/bin"), 0555u);
  EXPECT_EQ(mode("/t/bin/go"), 0555u);
  EXPECT_EQ(mode("/t/file"), 0444u);
  fs::create_directory(dir_ + "/u");
  fs::create_symlink("/etc/passwd", dir_ + "/u/link");
  EXPECT_FALSE(make_read_only(dir_ + "/u"));
}

TEST_F(StoreTest, LockExcludesOtherProcessesUntilItCloses) {
  ASSERT_OK_AND_ASSIGN(UniqueFd mine, lock(dir_ + "/l"));
  pid_t other = in_child([&] {
    mine.reset();  // the descriptor came with fork; the lock stays with the parent's
    return lock(dir_ + "/l") && replace_file(dir_ + "/got-it", "");
  });
  ::usleep(50'000);
  EXPECT_FALSE(fs::exists(dir_ + "/got-it"));
  mine.reset();
  EXPECT_EQ(wait_for(other), 0);
  EXPECT_TRUE(fs::exists(dir_ + "/got-it"));
}

TEST_F(StoreTest, ACancelEndsTheWaitForALock) {
  ASSERT_OK_AND_ASSIGN(UniqueFd mine, lock(dir_ + "/l"));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd cancel(ends[0]), other_end(ends[1]);
  pid_t other = in_child([&] {
    mine.reset();
    auto waited = lock(dir_ + "/l", cancel.get());
    return !waited && waited.error().sys_errno == ECANCELED;
  });
  ::usleep(50'000);
  EXPECT_EQ(::waitpid(other, nullptr, WNOHANG), 0) << "it waits while nobody cancels";
  ASSERT_EQ(::write(other_end.get(), "x", 1), 1);
  EXPECT_EQ(wait_for(other), 0);
}

TEST_F(StoreTest, ARunDirectoryIsPrivateAndGoesWithItsOwner) {
  std::string path;
  {
    ASSERT_OK_AND_ASSIGN(RunDirectory run, RunDirectory::create(dir_, "r1"));
    path = run.path();
    EXPECT_EQ(path, dir_ + "/run/r1");
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u);
    ASSERT_OK(replace_file(path + "/f", "x"));
    RunDirectory moved = std::move(run);
    EXPECT_TRUE(fs::exists(moved.path()));
    EXPECT_FALSE(RunDirectory::create(dir_, "r1")) << "one name, one run";
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(RunDirectory::create(dir_, "../r"));
  EXPECT_FALSE(RunDirectory::create(dir_, ""));
}

TEST_F(StoreTest, OrphansOfAKilledOwnerAreRemovedAndTheLivingStay) {
  ASSERT_OK_AND_ASSIGN(RunDirectory mine, RunDirectory::create(dir_, "mine"));
  pid_t victim = in_child([&] {
    auto run = RunDirectory::create(dir_, "theirs");
    if (!run || !replace_file(run->path() + "/f", "x") || !replace_file(dir_ + "/started", "")) return false;
    ::pause();
    return true;
  });
  ASSERT_TRUE(wait_until_exists(dir_ + "/started"));
  ASSERT_OK_AND_ASSIGN(int none, RunDirectory::remove_orphans(dir_));
  EXPECT_EQ(none, 0) << "control: both owners live";
  ASSERT_EQ(::kill(victim, SIGKILL), 0);
  wait_for(victim);
  EXPECT_TRUE(fs::exists(dir_ + "/run/theirs"));
  ASSERT_OK_AND_ASSIGN(int one, RunDirectory::remove_orphans(dir_));
  EXPECT_EQ(one, 1);
  EXPECT_EQ(names_in(dir_ + "/run"), std::vector<std::string>{"mine"});
}

TEST_F(StoreTest, OrphanHuntersDoNotTakeNewbornRuns) {
  pid_t hunter = in_child([&] {
    for (int i = 0; i < 2000; ++i)
      if (!RunDirectory::remove_orphans(dir_)) return false;
    return true;
  });
  for (int i = 0; i < 500; ++i) {
    auto run = RunDirectory::create(dir_, "r" + std::to_string(i));
    ASSERT_OK(run);
    ASSERT_TRUE(fs::exists(run->path()));
  }
  EXPECT_EQ(wait_for(hunter), 0);
}

class StateDirectory : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    if (const char* value = ::getenv("SANDBOX_RUN_STATE")) before_ = value;
  }
  void TearDown() override {
    before_.empty() ? ::unsetenv("SANDBOX_RUN_STATE") : ::setenv("SANDBOX_RUN_STATE", before_.c_str(), 1);
    StoreTest::TearDown();
  }
  Result<std::string> with(const std::string& value) {
    ::setenv("SANDBOX_RUN_STATE", value.c_str(), 1);
    return state_directory();
  }
  std::string before_;
};

TEST_F(StateDirectory, IsMadeWhereTheVariableSays) {
  ASSERT_OK_AND_ASSIGN(std::string path, with(dir_ + "/a/b/"));
  EXPECT_EQ(path, dir_ + "/a/b");
  EXPECT_TRUE(fs::is_directory(path));
}

TEST_F(StateDirectory, RefusesARelativePathAndDirectoriesOthersControl) {
  EXPECT_EQ(with("relative").error().fault, Fault::input);
  ASSERT_OK(with(dir_));  // control
  ASSERT_EQ(::chmod(dir_.c_str(), 0777), 0);
  EXPECT_FALSE(with(dir_));
  ASSERT_EQ(::chmod(dir_.c_str(), 0755), 0);
  ASSERT_EQ(::geteuid(), 0u) << "this test needs root to give the directory away";
  ASSERT_EQ(::chown(dir_.c_str(), 65534, 65534), 0);
  EXPECT_FALSE(with(dir_));
  ASSERT_EQ(::chown(dir_.c_str(), 0, 0), 0);
}

TEST_F(StoreTest, CacheListAndClearKnowTheKindsAndSpareToolchains) {
  make_entry(dir_ + "/modules/m1", 100'000, 0);
  make_entry(dir_ + "/modules/m2", 100'000, 0);
  make_entry(dir_ + "/artifacts/a", 10, 0);
  make_entry(dir_ + "/toolchains/go1.26.8", 10, 0);
  make_entry(dir_ + "/run/r", 10, 0);
  ASSERT_OK_AND_ASSIGN(std::vector<CacheUsage> kinds, usage(dir_));
  ASSERT_EQ(kinds.size(), 3u);
  EXPECT_EQ(kinds[1].kind, "modules");
  EXPECT_EQ(kinds[1].entries, 2u);
  EXPECT_GE(kinds[1].bytes.count, 200'000u);
  auto unknown = clear(dir_, "modulse");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().fault, Fault::input);
  EXPECT_NE(unknown.error().what.find("artifacts, modules, toolchains"), std::string::npos);
  ASSERT_OK_AND_ASSIGN(CacheUsage removed, clear(dir_, ""));
  EXPECT_EQ(removed.entries, 3u);
  EXPECT_TRUE(fs::exists(dir_ + "/toolchains/go1.26.8"));
  EXPECT_TRUE(fs::exists(dir_ + "/run/r"));
  ASSERT_OK(clear(dir_, "toolchains"));
  EXPECT_FALSE(fs::exists(dir_ + "/toolchains/go1.26.8"));
}

}  // namespace
}  // namespace sandbox_run::store
