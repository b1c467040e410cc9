#include "base/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run {
namespace {

using namespace unit_literals;

class OutputFile : public ::testing::Test {
 protected:
  mode_t mode_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info.st_mode;
  }
  TemporaryDirectory temporary_;
  const std::string path_ = temporary_.path() + "/output";
};

TEST_F(OutputFile, ARegularFileIsReplacedWhole) {
  ASSERT_OK(write_output(path_, "old and long"));
  ASSERT_OK_AND_ASSIGN(const UniqueFd reader, open_path(path_, O_RDONLY));
  ASSERT_OK(write_output(path_, "new"));
  ASSERT_OK_AND_ASSIGN(const std::string now, read_file(path_, 1_KiB));
  EXPECT_EQ(now, "new");
  ASSERT_OK_AND_ASSIGN(const std::string seen, read_to_end(reader.get(), 1_KiB, path_));
  EXPECT_EQ(seen, "old and long");
}

TEST_F(OutputFile, ADeviceIsWrittenToThroughItsLink) {
  std::filesystem::create_symlink("/dev/null", path_);
  ASSERT_OK(write_output(path_, "gone"));
  EXPECT_TRUE(S_ISLNK(mode_of(path_)));
  EXPECT_TRUE(S_ISCHR(mode_of("/dev/null")));
}

TEST_F(OutputFile, ALinkStaysALinkAndIsWrittenThrough) {
  ASSERT_OK(replace_file(temporary_.path() + "/target", "old and long"));
  std::filesystem::create_symlink("target", path_);
  ASSERT_OK(write_output(path_, "new"));
  EXPECT_TRUE(S_ISLNK(mode_of(path_)));
  ASSERT_OK_AND_ASSIGN(const std::string target, read_file(temporary_.path() + "/target", 1_KiB));
  EXPECT_EQ(target, "new");
}

TEST_F(OutputFile, APipeIsWrittenToWhereSomebodyReads) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const Status nobody = write_output(path_, "text");
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().sys_errno, ENXIO);
  ASSERT_OK_AND_ASSIGN(const UniqueFd reader, open_path(path_, O_RDONLY | O_NONBLOCK));
  ASSERT_OK(write_output(path_, "text"));
  char got[8] = {};
  EXPECT_EQ(::read(reader.get(), got, sizeof got), 4);
  EXPECT_STREQ(got, "text");
  EXPECT_TRUE(S_ISFIFO(mode_of(path_)));
}

TEST_F(OutputFile, WhatIsWrittenPieceByPieceIsWrittenOverAndNeverWaitsForAReader) {
  ASSERT_OK(write_output(path_, "old and long"));
  ASSERT_OK(check_open_output(path_));
  {
    ASSERT_OK_AND_ASSIGN(const UniqueFd file, open_output(path_));
    ASSERT_OK(write_all(file.get(), "ne", path_));
    ASSERT_OK(write_all(file.get(), "w", path_));
  }
  ASSERT_OK_AND_ASSIGN(const std::string now, read_file(path_, 1_KiB));
  EXPECT_EQ(now, "new");
  const std::string pipe = temporary_.path() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_OK(check_open_output(pipe));
  const auto nobody = open_output(pipe);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().sys_errno, ENXIO);
  const Status nowhere = check_open_output(temporary_.path() + "/missing/new");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().sys_errno, ENOENT);
}

TEST_F(OutputFile, ADirectoryIsFitForFilesIfItOrWhatItWouldBeMadeInIs) {
  EXPECT_OK(check_output_directory(temporary_.path()));
  EXPECT_OK(check_output_directory(temporary_.path() + "/made/later"));
  ASSERT_OK(write_output(path_, "a file"));
  for (const std::string& directory : {path_, path_ + "/below", std::string("/dev/null")}) {
    const Status refused = check_output_directory(directory);
    ASSERT_FALSE(refused) << directory;
    EXPECT_EQ(refused.error().sys_errno, ENOTDIR) << directory;
  }
}

TEST_F(OutputFile, TheCallersUmaskHoldsForOutputAnd022ForTheRest) {
  const mode_t before = ::umask(0077);
  take_callers_umask();
  ASSERT_OK(write_output(path_, "mine", 0755));
  ASSERT_OK(replace_file(temporary_.path() + "/state", "everybody's"));
  EXPECT_EQ(mode_of(path_) & 0777, 0700u);
  EXPECT_EQ(mode_of(temporary_.path() + "/state") & 0777, 0644u);
  ::umask(before);
  take_callers_umask();
}

TEST_F(OutputFile, WhereNoOutputCanGoIsSaidBefore) {
  EXPECT_OK(check_output(temporary_.path() + "/new"));  // control
  EXPECT_OK(check_output("/dev/null"));
  auto nowhere = check_output(temporary_.path() + "/missing/new");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().sys_errno, ENOENT);
  EXPECT_NE(nowhere.error().what.find(temporary_.path() + "/missing:"), std::string::npos) << nowhere.error().what;
  auto not_a_file = check_output(temporary_.path());
  ASSERT_FALSE(not_a_file);
  EXPECT_EQ(not_a_file.error().sys_errno, EISDIR);
}

}  // namespace
}  // namespace sandbox_run
