#include "runner/collect.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run::runner {
namespace {

class CollectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(dir_ + "/scratch/sub");
    ASSERT_OK_AND_ASSIGN(scratch_, open_path(dir_ + "/scratch", O_PATH | O_DIRECTORY));
  }
  void collect_all(Bytes most = Bytes{1 << 20}) {
    skipped_ = collect({{"*", dir_ + "/out"}, {"sub/*", dir_ + "/out"}}, scratch_.get(), most);
    std::erase(skipped_, "--out: the program left no file that matches sub/*");
  }
  bool collected(const std::string& path) const { return std::filesystem::exists(dir_ + "/out/" + path); }

  TemporaryDirectory temporary_;
  const std::string dir_ = temporary_.path();
  UniqueFd scratch_;
  std::vector<std::string> skipped_;
};

TEST_F(CollectTest, CopiesRegularFilesThatMatchAndDropsModeBits) {
  ASSERT_OK(replace_file(dir_ + "/scratch/a.txt", "a", 04755));
  ASSERT_OK(replace_file(dir_ + "/scratch/sub/b.txt", "b"));
  collect_all();
  EXPECT_EQ(*read_file(dir_ + "/out/a.txt", Bytes{10}), "a");
  EXPECT_EQ(*read_file(dir_ + "/out/sub/b.txt", Bytes{10}), "b");
  struct stat info {};
  ASSERT_EQ(::stat((dir_ + "/out/a.txt").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0644U);
}

TEST_F(CollectTest, ALinkAFifoAndASecondNameAreSkippedAndSaid) {
  ASSERT_EQ(::symlink("/etc/passwd", (dir_ + "/scratch/link").c_str()), 0);
  ASSERT_EQ(::symlink("/etc", (dir_ + "/scratch/sub/dir").c_str()), 0);
  ASSERT_EQ(::mkfifo((dir_ + "/scratch/fifo").c_str(), 0600), 0);
  ASSERT_OK(replace_file(dir_ + "/scratch/one", "x"));
  ASSERT_EQ(::link((dir_ + "/scratch/one").c_str(), (dir_ + "/scratch/two").c_str()), 0);
  collect_all();
  for (const char* name : {"link", "fifo", "one", "two", "sub/dir", "sub/dir/passwd"})
    EXPECT_FALSE(collected(name)) << name;
  EXPECT_GE(skipped_.size(), 4U);
}

TEST_F(CollectTest, SparseFilesDoNotWriteMoreToTheHostThanTheScratchSpaceHolds) {
  for (const char* name : {"/scratch/a", "/scratch/b"}) {
    ASSERT_OK(replace_file(dir_ + name, ""));
    ASSERT_EQ(::truncate((dir_ + name).c_str(), 600 << 10), 0);
  }
  collect_all();
  EXPECT_NE(collected("a"), collected("b"));  // one fits into 1 MiB, two do not
  EXPECT_EQ(skipped_.size(), 1U);
}

TEST_F(CollectTest, ATargetThatCannotBeWrittenIsALineAndNothingElse) {
  ASSERT_OK(replace_file(dir_ + "/scratch/f", "x"));
  std::filesystem::create_directories(dir_ + "/out/f");
  collect_all();
  EXPECT_EQ(skipped_.size(), 1U);
}

TEST_F(CollectTest, TheLinesAboutSkippedFilesHaveAnEnd) {
  for (int i = 0; i < 300; ++i) ASSERT_EQ(::symlink("x", (dir_ + "/scratch/\x1b[2J" + std::to_string(i)).c_str()), 0);
  collect_all();
  EXPECT_EQ(skipped_.size(), 101U);
  EXPECT_EQ(skipped_[0].find('\x1b'), std::string::npos);
}

TEST_F(CollectTest, NothingIsCopiedWhereNothingMatchesAndThatIsSaid) {
  ASSERT_OK(replace_file(dir_ + "/scratch/a.txt", "a"));
  EXPECT_THAT(collect({{"*.png", dir_ + "/out"}}, scratch_.get(), Bytes{1 << 20}),
              testing::ElementsAre("--out: the program left no file that matches *.png"));
  EXPECT_TRUE(collect({{"*.txt", dir_ + "/copies"}}, scratch_.get(), Bytes{1 << 20}).empty()) << "control";
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/out"));
}

}  // namespace
}  // namespace sandbox_run::runner
