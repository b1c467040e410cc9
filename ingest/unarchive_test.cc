// The archive reader's confinement, each denial with the same act succeeding outside, and what the supervisor makes of
// readers that are broken, hostile or not there.
#include "ingest/unarchive.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <functional>

#include "ingest/test_archives.h"
#include "ingest/test_tree.h"
#include "ingest/unarchive_confinement.h"

namespace sandbox_run::ingest {
namespace {

using testing::HasSubstr;

// Runs `act` in a child, confined or not; its exit status.
int in_child(bool confined, const std::function<bool()>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (confined && !confine_archive_reader()) ::_exit(3);
    ::_exit(act() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

const pid_t parent_of_children = ::getpid();

struct Act {
  const char* name;
  std::function<bool()> act;
};

class Confinement : public testing::TestWithParam<Act> {};

TEST_P(Confinement, DeniesTheAct) { EXPECT_EQ(in_child(true, GetParam().act), 1); }
TEST_P(Confinement, ControlTheActSucceedsOutside) { EXPECT_EQ(in_child(false, GetParam().act), 0); }

const Act kActs[] = {
    {"OpenAFile", [] { return ::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0; }},
    {"CreateASocket", [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0; }},
    {"Fork",
     [] {
       const pid_t child = ::fork();
       if (child == 0) ::_exit(0);
       return child > 0;
     }},
    {"Execute",
     [] {
       char program[] = "/bin/true";
       char* const arguments[] = {program, nullptr};
       ::execv(program, arguments);
       return false;
     }},
    {"SignalItsParent", [] { return ::kill(::getppid(), 0) == 0; }},
    {"SignalAThread", [] { return ::syscall(SYS_tgkill, parent_of_children, parent_of_children, 0) == 0; }},
    {"DuplicateADescriptor", [] { return ::dup(0) >= 0; }},
};
INSTANTIATE_TEST_SUITE_P(Acts, Confinement, testing::ValuesIn(kActs),
                         [](const auto& instance) { return instance.param.name; });

TEST(ConfinedReader, CanStillReadWriteAndAllocate) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_EQ(in_child(true,
                     [&] {
                       std::string large(8 << 20, 'x');
                       char c;
                       return ::write(ends[1], large.data(), 1) == 1 && ::read(ends[0], &c, 1) == 1 && c == 'x';
                     }),
            0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(ConfinedReader, EndsWithItsSupervisor) {
  int alive[2], never[2];
  ASSERT_EQ(::pipe2(alive, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(never, O_CLOEXEC), 0);
  const pid_t supervisor = ::fork();
  if (supervisor == 0) {
    if (::fork() == 0) {
      char c;
      if (confine_archive_reader()) (void)!::write(alive[1], "x", 1);
      (void)!::read(never[0], &c, 1);
      ::_exit(0);
    }
    ::pause();
  }
  ::close(alive[1]);
  char c;
  EXPECT_EQ(::read(alive[0], &c, 1), 1) << "it is confined and waits";
  pollfd end{alive[0], POLLIN, 0};
  EXPECT_EQ(::poll(&end, 1, 50), 0) << "control: it lives while its supervisor does";
  ::kill(supervisor, SIGKILL);
  ::waitpid(supervisor, nullptr, 0);
  EXPECT_EQ(::poll(&end, 1, 10'000), 1) << "nobody holds the pipe any longer";
  for (const int fd : {alive[0], never[0], never[1]}) ::close(fd);
}

class Reader : public TreeTest {
 protected:
  Reader() {
    request_.libexec_directory = input("libexec");
    put("a.zip", testing_archives::Zip{{{"main.go", "package main\n"}}}.bytes());
    request_.sources = {input("a.zip")};
  }
  Error error_with(const std::string& script) {
    put("libexec/sandbox-run-unarchive", "#!/bin/sh\n" + script, 0755);
    auto result = take();
    EXPECT_FALSE(result) << script;
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
    return result ? Error{} : result.error();
  }
};

TEST_F(Reader, ThatIsMissingIsTheHostsFaultAndSaysWhereItWasLookedFor) {
  auto result = take();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().fault, Fault::host);
  EXPECT_THAT(result.error().what, HasSubstr("libexec/sandbox-run-unarchive"));
  request_.libexec_directory.clear();
  EXPECT_OK(take());
}

TEST_F(Reader, ThatCrashesRefusesTheArchiveAndLeavesNothing) {
  const Error crash = error_with("kill -SEGV $$\n");
  EXPECT_EQ(crash.fault, Fault::input);
  EXPECT_THAT(crash.what, HasSubstr("crashed"));
  EXPECT_EQ(error_with("exit 1\n").fault, Fault::host);
  EXPECT_EQ(error_with("exit 0\n").fault, Fault::host) << "no end frame, no success";
  EXPECT_THAT(error_with("kill -XCPU $$\n").what, HasSubstr("more than 30 s"));
}

TEST_F(Reader, ThatIsTakenOverIsNotBelieved) {
  EXPECT_EQ(error_with("printf 'anything else'\n").fault, Fault::self);
  // Frames in octal: a file of 1 byte with a hostile name, its content, its end, the end.
  const auto frames = [](const std::string& name, const std::string& size) {
    return "printf 'SRUA1\\nF\\0" + std::to_string((8 + name.size()) / 8) + std::to_string((8 + name.size()) % 8) +
           "\\0\\0\\0\\00" + size + "\\0\\0\\0\\0\\0\\0\\0" + name +
           "C\\001\\0\\0\\0xE\\0\\0\\0\\0Z\\010\\0\\0\\0\\001\\0\\0\\0\\0\\0\\0\\0'\n";
  };
  EXPECT_THAT(error_with(frames("../x", "1")).what, HasSubstr(".."));
  EXPECT_THAT(error_with(frames("/etc/x", "1")).what, HasSubstr("absolute"));
  EXPECT_THAT(error_with(frames("x.go", "2")).what, HasSubstr("where it states 2"));
  EXPECT_THAT(error_with(frames("x.go", "0")).what, HasSubstr("more bytes than the 0"));
  EXPECT_EQ(error_with(frames("x.go", "1") + "printf more\n").fault, Fault::self);
  EXPECT_EQ(error_with(frames("x.go", "1") + "exit 1\n").fault, Fault::host);
  put("libexec/sandbox-run-unarchive", "#!/bin/sh\n" + frames("x.go", "1"), 0755);
  ASSERT_OK_AND_ASSIGN(Submission submission, take());
  EXPECT_EQ(content(submission, "x.go"), "x");
}

TEST_F(Reader, GetsNoDescriptorEnvironmentOrSignalMaskOfOurs) {
  const UniqueFd leaked(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC, on purpose
  ASSERT_EQ(::setenv("INGEST_TEST_SECRET", "1", 1), 0);
  const std::string seen = input("seen");
  error_with("ls /proc/self/fd > " + seen + "; pwd >> " + seen + "; env >> " + seen + "\n");
  ASSERT_OK_AND_ASSIGN(const std::string text, read_file(seen, Bytes{100'000}));
  EXPECT_THAT(text, testing::StartsWith("0\n1\n2\n3\n/\n")) << "3 is ls's own";
  EXPECT_THAT(text, testing::Not(HasSubstr("INGEST_TEST_SECRET")));
  EXPECT_EQ(::unsetenv("INGEST_TEST_SECRET"), 0);
}

}  // namespace
}  // namespace sandbox_run::ingest
