#include "base/thread.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdio>

#include "base/testing.h"

namespace sandbox_run {
namespace {

// A host that makes no thread: clone answers as it does where a limit on processes is reached.
bool make_no_more_threads() {
  sock_filter rows[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof rows / sizeof rows[0], rows};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(Thread, RunsWithEverySignalBlockedAndItsMakersMaskStaysAsItWas) {
  sigset_t inside, before, after;
  ::sigemptyset(&inside);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  ASSERT_OK_AND_ASSIGN(std::thread thread,
                       start_thread("a thread", [&] { ::pthread_sigmask(SIG_SETMASK, nullptr, &inside); }));
  thread.join();
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD, SIGPIPE}) {
    EXPECT_EQ(::sigismember(&inside, signal), 1) << signal;
    EXPECT_EQ(::sigismember(&after, signal), ::sigismember(&before, signal)) << signal;
  }
}

TEST(ThreadDeathTest, AHostThatMakesNoThreadIsAnErrorOfTheHost) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        if (!make_no_more_threads()) ::_exit(3);
        Result<std::thread> thread = start_thread("the thread that reads", [] {});
        if (thread) ::_exit(4);
        std::fprintf(stderr, "%d %d %s\n", static_cast<int>(thread.error().fault), thread.error().sys_errno,
                     thread.error().what.c_str());
        ::_exit(0);
      },
      testing::ExitedWithCode(0), "1 11 cannot start the thread that reads .*Resource temporarily unavailable");
}

}  // namespace
}  // namespace sandbox_run
