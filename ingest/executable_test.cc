#include "ingest/executable.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run::ingest {
namespace {

Result<Executable> load_executable(const std::string& path, const Limits& limits) {
  TRY(const ExecutableFile file, open_executable(path, limits));
  return copy_executable(file);
}

class ExecutableTest : public ::testing::Test {
 protected:
  TemporaryDirectory temporary_;
  const std::string dir_ = temporary_.path();
};

TEST_F(ExecutableTest, IsCopiedWholeAndCannotBeWrittenAfterwards) {
  ASSERT_OK(replace_file(dir_ + "/program",
                         "\x7f"
                         "ELF and more"));
  ASSERT_OK_AND_ASSIGN(Executable executable, load_executable(dir_ + "/program", Limits{}));
  char content[32] = {};
  EXPECT_EQ(::pread(executable.program.get(), content, sizeof content, 0), 13);
  EXPECT_STREQ(content,
               "\x7f"
               "ELF and more");
  EXPECT_EQ(::pwrite(executable.program.get(), "x", 1, 0), -1);
}

TEST_F(ExecutableTest, WhatIsNoRegularFileIsTheCallersFault) {
  ASSERT_EQ(::mkfifo((dir_ + "/fifo").c_str(), 0600), 0);
  ASSERT_OK(replace_file(dir_ + "/empty", ""));
  for (const char* name : {"/fifo", "/empty", "/absent", ""}) {
    auto executable = load_executable(dir_ + name, Limits{});
    ASSERT_FALSE(executable) << name;
    EXPECT_EQ(executable.error().fault, Fault::input) << name;
  }
}

TEST_F(ExecutableTest, OverTheByteCapIsRefusedByItsFlag) {
  ASSERT_OK(replace_file(dir_ + "/program", "12345"));
  Limits limits;
  limits.bytes = Bytes{4};
  auto executable = load_executable(dir_ + "/program", limits);
  ASSERT_FALSE(executable);
  EXPECT_NE(executable.error().what.find("--max-bytes"), std::string::npos);
  limits.bytes = Bytes{5};  // control
  EXPECT_OK(load_executable(dir_ + "/program", limits));
}

}  // namespace
}  // namespace sandbox_run::ingest
