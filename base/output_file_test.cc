#include "base/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run {
namespace {

using namespace unit_literals;

TEST(OutputFile, OutputReplacesAFileButIsWrittenIntoWhatIsNone) {
  TemporaryDirectory directory;
  ASSERT_OK(write_output(directory.path() + "/new", "first"));
  ASSERT_OK(write_output(directory.path() + "/new", "2nd"));
  std::filesystem::create_symlink(directory.path() + "/new", directory.path() + "/link");
  ASSERT_OK(write_output(directory.path() + "/link", "through"));
  EXPECT_TRUE(std::filesystem::is_symlink(directory.path() + "/link"));
  ASSERT_OK_AND_ASSIGN(std::string content, read_file(directory.path() + "/new", 1_KiB));
  EXPECT_EQ(content, "through");
  ASSERT_EQ(::mkfifo((directory.path() + "/fifo").c_str(), 0600), 0);
  ASSERT_OK_AND_ASSIGN(UniqueFd reader, open_path(directory.path() + "/fifo", O_RDONLY | O_NONBLOCK));
  ASSERT_OK(write_output(directory.path() + "/fifo", "piped"));
  char got[8] = {};
  EXPECT_EQ(::read(reader.get(), got, sizeof got), 5);
  EXPECT_STREQ(got, "piped");
}

TEST(OutputFile, WhereNoOutputCanGoIsSaidBefore) {
  TemporaryDirectory directory;
  EXPECT_OK(check_output(directory.path() + "/new"));  // control
  EXPECT_OK(check_output("/dev/null"));
  auto nowhere = check_output(directory.path() + "/missing/new");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().sys_errno, ENOENT);
  EXPECT_NE(nowhere.error().what.find(directory.path() + "/missing:"), std::string::npos) << nowhere.error().what;
  auto not_a_file = check_output(directory.path());
  ASSERT_FALSE(not_a_file);
  EXPECT_EQ(not_a_file.error().sys_errno, EISDIR);
}

}  // namespace
}  // namespace sandbox_run
