// The compiled profiles under the real kernel: every call is made for real in a child of its own and its fate compared
// with evaluate(). Notifications become an errno that no call returns by itself.
#include <fcntl.h>
#include <linux/audit.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "base/testing.h"
#include "seccomp-profiles/filter.h"

namespace sandbox_run::seccomp_profiles {
namespace {

constexpr int kDeniedErrno = 4000;
// These two pass seccomp unfiltered since Linux 6.14 (kernel/seccomp.c, seccomp_uprobe_exception) and die of SIGILL.
constexpr int kUnfiltered[] = {335, 336};

struct Outcome {
  std::atomic<bool> returned{false};
  std::atomic<long> value{0};
};

class Executor {
 public:
  Executor()
      : outcome_(new (mmap(nullptr, sizeof(Outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
                     Outcome) {}
  ~Executor() { munmap(outcome_, sizeof(Outcome)); }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // What the call returned to the child; nothing where it did not return (it ended, killed or blocked the child).
  std::optional<long> run(const Filter& filter, const seccomp_data& data, bool through_int80 = false) {
    outcome_->returned = false;
    const pid_t child = fork();
    if (child == 0) be_child(filter, data, through_int80);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99) ADD_FAILURE() << "the filter could not be loaded";
    if (!outcome_->returned) return std::nullopt;
    return outcome_->value;
  }

 private:
  [[noreturn]] void be_child(const Filter& filter, const seccomp_data& data, bool through_int80) {
    setpgid(0, 0);  // kill(0, …) and the like stay here
    const int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) dup2(null, fd);
    // An allowed call may block; then the alarm ends the child, which also says that it was not refused. A refused one
    // returns at once, and needs no alarm that a busy machine would let go off early.
    itimerval timer{{0, 0}, {0, 30000}};
    if (evaluate(filter, data) == SECCOMP_RET_ALLOW) setitimer(ITIMER_REAL, &timer, nullptr);
    sock_fprog program{static_cast<unsigned short>(filter.program.size()),
                       const_cast<sock_filter*>(filter.program.data())};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
      _exit(99);
    }
    outcome_->value = through_int80 ? int80(data.nr) : raw(data);
    outcome_->returned = true;
    syscall(SYS_exit_group, 0);
    __builtin_trap();
  }

  static long raw(const seccomp_data& data) {
    register std::uint64_t r10 asm("r10") = data.args[3];
    register std::uint64_t r8 asm("r8") = data.args[4];
    register std::uint64_t r9 asm("r9") = data.args[5];
    long result = data.nr;
    asm volatile("syscall"
                 : "+a"(result)
                 : "D"(data.args[0]), "S"(data.args[1]), "d"(data.args[2]), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
  }

  static long int80(int number) {
    int result = number;
    asm volatile("int $0x80"
                 : "+a"(result)
                 : "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
                 : "memory", "r8", "r9", "r10", "r11");
    return result;
  }

  Outcome* outcome_;
};

class Executed : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto loaded = Profile::load(GetParam());
    ASSERT_OK(loaded);
    profile_ = *std::move(loaded);
    filter_ = without_listener(*builtin_filter(GetParam()), SECCOMP_RET_ERRNO | kDeniedErrno);
  }

  // Runs the call and compares: refused with exactly that errno, or not refused at all.
  void expect_as_evaluated(const seccomp_data& data) {
    const std::uint32_t action = evaluate(filter_, data);
    const std::optional<long> got = executor_.run(filter_, data);
    const std::string where = syscall_name(data.arch, data.nr) + " #" + std::to_string(data.nr);
    if (action == SECCOMP_RET_ALLOW) {
      EXPECT_TRUE(!got || *got != -kDeniedErrno) << where;
    } else {
      ASSERT_TRUE(got.has_value()) << where << " did not return";
      EXPECT_EQ(*got, -static_cast<long>(action & SECCOMP_RET_DATA)) << where;
    }
  }

  Profile profile_;
  Filter filter_;
  Executor executor_;
};

INSTANTIATE_TEST_SUITE_P(Profiles, Executed, ::testing::Values("go-run", "go-run-loopback", "go-build", "generic"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

seccomp_data call(int number) {
  seccomp_data data{};
  data.arch = AUDIT_ARCH_X86_64;
  data.nr = number;
  return data;
}

TEST_P(Executed, EveryNumberMeetsTheFateThatEvaluateForetells) {
  for (int number = 0; number <= 600; ++number) {
    if (number == kUnfiltered[0] || number == kUnfiltered[1]) continue;
    expect_as_evaluated(call(number));
  }
}

TEST_P(Executed, OddNumbersAndX32AreRefused) {
  for (const unsigned number :
       {0x40000000u, 0x40000001u, 0x40000027u, 0x40000200u, 0x80000000u, 0x80000027u, 0x7fffffffu, 1000u, 4096u}) {
    expect_as_evaluated(call(static_cast<int>(number)));
  }
}

TEST_P(Executed, TheI386EntryIsRefused) {
  const std::optional<long> got = executor_.run(filter_, call(20), true);
  // A kernel without i386 emulation ends the child with SIGSEGV.
  EXPECT_TRUE(!got || *got == -kDeniedErrno) << got.value_or(0);
}

TEST_P(Executed, EachAlternativePassesAndItsPerturbationsAreRefused) {
  for (const Rule& rule : profile_.rules) {
    for (const auto& alternative : rule.alternatives) {
      seccomp_data data = call(rule.number);
      for (const Condition& c : alternative) {
        data.args[c.argument] = c.test == Condition::Test::not_equal ? c.value + 7 : c.value;
      }
      // A thread or vfork on our own stack would run this very code twice; evaluate() alone covers the exact words.
      if (rule.number != SYS_clone) expect_as_evaluated(data);
      for (const Condition& c : alternative) {
        for (const int bit : {0, 5, 31, 32, 63}) {
          seccomp_data bent = data;
          bent.args[c.argument] ^= std::uint64_t{1} << bit;
          if (evaluate(filter_, bent) != SECCOMP_RET_ALLOW) expect_as_evaluated(bent);
        }
      }
    }
  }
}

TEST(ExecutedControl, WithoutAFilterTheSameCallsReachTheKernel) {
  const Filter open{{BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  Executor executor;
  for (const int number : {SYS_socket, SYS_unshare, SYS_keyctl, SYS_ptrace, SYS_bpf, SYS_mount}) {
    const std::optional<long> got = executor.run(open, call(number));
    ASSERT_TRUE(got.has_value());
    EXPECT_NE(*got, -kDeniedErrno) << number;
  }
}

}  // namespace
}  // namespace sandbox_run::seccomp_profiles
