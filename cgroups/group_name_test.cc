#include "cgroups/group_name.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/testing.h"

namespace sandbox_run::cgroups {
namespace {

TEST(GroupName, TellsItsSupervisorBack) {
  const Supervisor supervisor{4711, 1234567890123, 4026531836};
  const std::string name = group_name(supervisor, "run-7");
  EXPECT_EQ(name, "4711-1234567890123-4026531836-run-7");
  const auto parsed = parse_group_name(name);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->pid, 4711);
  EXPECT_EQ(parsed->start_time, 1234567890123u);
  EXPECT_EQ(parsed->pid_namespace, 4026531836u);
}

TEST(GroupName, RefusesWhatIsNotOurs) {
  for (const char* name : {"", "supervisor", "1-2-3-", "1-2-3", "1-2-x", "-1-2-3-x", "0-1-2-x", "1-2-3-A", "1-2-3-a/b",
                           "99999999999-1-1-x", "1-2-3-a b", " 1-2-3-a"})
    EXPECT_FALSE(parse_group_name(name).has_value()) << name;
}

TEST(GroupName, ThisProcessIsAliveAndItsPidAtAnotherTimeIsNot) {
  ASSERT_OK_AND_ASSIGN(const Supervisor self, this_supervisor());
  EXPECT_EQ(liveness(self, self), Liveness::alive);
  Supervisor earlier = self;
  earlier.start_time -= 1;
  EXPECT_EQ(liveness(earlier, self), Liveness::gone);
  Supervisor elsewhere = self;
  elsewhere.pid_namespace += 1;
  EXPECT_EQ(liveness(elsewhere, self), Liveness::unknown);
}

TEST(GroupName, AZombieAndAReapedProcessAreGone) {
  ASSERT_OK_AND_ASSIGN(const Supervisor self, this_supervisor());
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto supervisor = this_supervisor();
    const bool sent = supervisor && ::write(ready[1], &*supervisor, sizeof(Supervisor)) == sizeof(Supervisor);
    if (!sent) ::_exit(1);
    for (;;) ::pause();
  }
  Supervisor other;
  ASSERT_EQ(::read(ready[0], &other, sizeof other), static_cast<ssize_t>(sizeof other));
  EXPECT_EQ(liveness(other, self), Liveness::alive);
  ::kill(child, SIGKILL);
  siginfo_t info;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(liveness(other, self), Liveness::gone) << "a zombie";
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(liveness(other, self), Liveness::gone);
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace sandbox_run::cgroups
