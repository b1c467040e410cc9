#include "base/child_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/testing.h"

namespace sandbox_run {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  UniqueFd read, write;
};

ChildCommand shell(const std::string& script, int output) { return {"/bin/sh", {"-c", script}, {"A=1"}, -1, output}; }

std::string said_by(const std::string& script) {
  Pipe pipe;
  Result<ChildProcess> child = ChildProcess::start(shell(script, pipe.write.get()), "a shell");
  EXPECT_OK(child);
  pipe.write.reset();
  if (!child) return "";
  Result<std::string> text = read_to_end(pipe.read.get(), Bytes{1 << 20}, "a shell");
  EXPECT_EQ(child->wait(), 0);
  return text ? *text : "";
}

TEST(ChildProcess, HasThreeDescriptorsItsOwnEnvironmentAndTheRootDirectory) {
  const UniqueFd leaked(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC, on purpose
  ASSERT_EQ(::setenv("CHILD_TEST_SECRET", "1", 1), 0);
  EXPECT_EQ(said_by("echo /proc/self/fd/*; pwd; echo $A$CHILD_TEST_SECRET; read line || echo no input"),
            "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n/\n1\nno input\n")
      << "3 is the shell's own";
  ::unsetenv("CHILD_TEST_SECRET");
}

TEST(ChildProcess, InheritsNoSignalStateAndNoTerminalsInterrupts) {
  sigset_t term, before;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, &before);
  const auto ignored = ::signal(SIGPIPE, SIG_IGN);
  const std::string status = said_by("cat /proc/self/status; cut -d' ' -f5 /proc/$$/stat");
  ::signal(SIGPIPE, ignored);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_THAT(status, HasSubstr("SigBlk:\t0000000000000000"));
  EXPECT_THAT(status, testing::ContainsRegex("SigIgn:\t[0-9a-f]{8}[08]0{7}\n")) << "32 and 33 are the C library's";
  EXPECT_THAT(status, testing::Not(testing::EndsWith("\n" + std::to_string(::getpgrp()) + "\n")));
}

TEST(ChildProcess, IsKilledAndReapedWithItsHandle) {
  {
    ASSERT_OK_AND_ASSIGN(ChildProcess child, ChildProcess::start(shell("exec sleep 1000", -1), "a shell"));
    const ChildProcess moved = std::move(child);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), 0) << "control: it runs";
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(ChildProcess, TakesWhatItHasStartedWithIt) {
  Pipe pipe;
  char buffer[16];
  auto read = [&](auto time) {
    return read_before(steady_clock::now() + time, pipe.read.get(), buffer, 16, "a sleep");
  };
  {
    const std::string script = "sleep 1000 & echo begun; wait";
    ASSERT_OK_AND_ASSIGN(const ChildProcess child, ChildProcess::start(shell(script, pipe.write.get()), "a shell"));
    pipe.write.reset();
    EXPECT_EQ(read(seconds(10)).value(), 6u);
    EXPECT_FALSE(read(milliseconds(10))) << "control: both hold the other end";
  }
  EXPECT_EQ(read(seconds(10)).value(), 0u);
}

TEST(ChildProcess, ThatCannotBeExecutedIsTheHostsErrorAndNamed) {
  const auto missing = ChildProcess::start({"/nonexistent/reader", {}, {}}, "the reader");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().fault, Fault::host);
  EXPECT_EQ(missing.error().sys_errno, ENOENT);
  EXPECT_THAT(missing.error().what, HasSubstr("cannot start the reader /nonexistent/reader: No such file"));
}

TEST(ReadBefore, EndsAtTheDeadlineAndAtTheEndOfFile) {
  Pipe pipe;
  char buffer[16];
  auto read = [&](auto time) { return read_before(steady_clock::now() + time, pipe.read.get(), buffer, 16, "a pipe"); };
  const auto silent = read(milliseconds(10));
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().sys_errno, ETIMEDOUT);
  ASSERT_OK(write_all(pipe.write.get(), "abc", "a pipe"));
  EXPECT_EQ(read(seconds(10)).value(), 3u);
  pipe.write.reset();
  EXPECT_EQ(read(seconds(10)).value(), 0u);
}

}  // namespace
}  // namespace sandbox_run
