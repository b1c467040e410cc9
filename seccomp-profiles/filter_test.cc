// What the compiled profiles answer: goldens over every number and argument class, the doors that must stay shut, and
// the interpreter itself. UPDATE_GOLDENS=1 rewrites testdata/*.golden.
#include "seccomp-profiles/filter.h"

#include <gmock/gmock.h>
#include <linux/audit.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdlib>
#include <random>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run::seccomp_profiles {
namespace {

constexpr std::uint64_t kHigh = std::uint64_t{1} << 32;
constexpr std::uint32_t kNotify = SECCOMP_RET_USER_NOTIF;

seccomp_data call(int number, std::vector<std::uint64_t> arguments = {}, std::uint32_t arch = AUDIT_ARCH_X86_64) {
  seccomp_data data{};
  data.nr = number;
  data.arch = arch;
  for (std::size_t i = 0; i < arguments.size(); ++i) data.args[i] = arguments[i];
  return data;
}

std::string answer(std::uint32_t action) {
  if (action == SECCOMP_RET_ALLOW) return "allow";
  if (action == kNotify) return "denied";
  if ((action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO) {
    const int error = static_cast<int>(action & SECCOMP_RET_DATA);
    return std::string("quiet ") + (error == 0 ? "OK" : strerrorname_np(error));
  }
  return "action " + std::to_string(action);
}

std::string hex(std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%lx", value);
  return text;
}

// "0 read: allow" for each number from 0 to 600, runs of denied ones as one line.
std::string numbers_section(const Filter& filter, std::uint32_t arch, int bits) {
  std::string text;
  int denied_from = -1;
  const auto flush = [&](int end) {
    if (denied_from >= 0) text += std::to_string(denied_from) + ".." + std::to_string(end) + ": denied\n";
    denied_from = -1;
  };
  for (int number = 0; number <= 600; ++number) {
    const std::string said = answer(evaluate(filter, call(number | bits, {}, arch)));
    if (said == "denied") {
      if (denied_from < 0) denied_from = number;
      continue;
    }
    flush(number - 1);
    text += std::to_string(number) + " " + syscall_name(arch, number | bits) + ": " + said + "\n";
  }
  flush(600);
  return text;
}

struct ArgumentClass {
  const char* name;
  std::uint64_t value;
};

std::string argument_section(const Filter& filter, const Rule& rule, const std::vector<Condition>& alternative) {
  seccomp_data data = call(rule.number);
  std::string text = rule.syscall;
  for (const Condition& condition : alternative) {
    const bool differs = condition.test == Condition::Test::not_equal;
    data.args[condition.argument] = differs ? condition.value + 7 : condition.value;
    text += " arg" + std::to_string(condition.argument) + "=" + hex(data.args[condition.argument]);
  }
  text += ": " + answer(evaluate(filter, data)) + "\n";
  for (const Condition& condition : alternative) {
    const std::uint64_t exact = data.args[condition.argument];
    const ArgumentClass classes[] = {
        {"high", exact | kHigh},
        {"high63", exact | (std::uint64_t{1} << 63)},
        {"low32", exact & 0xffffffff},
        {"+1", exact + 1},
        {"-1", exact - 1},
        {"0", 0},
        {"~0", ~std::uint64_t{0}},
        {"~0u", 0xffffffff},
    };
    text += "  arg" + std::to_string(condition.argument);
    for (const ArgumentClass& klass : classes) {
      data.args[condition.argument] = klass.value;
      text += std::string(" | ") + klass.name + " " + answer(evaluate(filter, data));
    }
    text += "\n";
    data.args[condition.argument] = exact;
  }
  return text;
}

std::string golden_of(const Profile& profile, const Filter& filter) {
  std::string text = "# " + profile.name + ": what the compiled filter answers. UPDATE_GOLDENS=1 rewrites this file.\n";
  text += "\n## x86-64, every number with zero arguments\n" + numbers_section(filter, AUDIT_ARCH_X86_64, 0);
  text += "\n## x32\n" + numbers_section(filter, AUDIT_ARCH_X86_64, 0x40000000);
  text += "\n## i386\n" + numbers_section(filter, AUDIT_ARCH_I386, 0);
  text += "\n## aarch64\n" + numbers_section(filter, AUDIT_ARCH_AARCH64, 0);
  text += "\n## no architecture\n" + numbers_section(filter, 0, 0);
  text += "\n## each alternative with the arguments it names, then each of them bent\n";
  for (const Rule& rule : profile.rules) {
    for (const auto& alternative : rule.alternatives) text += argument_section(filter, rule, alternative);
  }
  return text;
}

class BuiltIn : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto loaded = Profile::load(GetParam());
    ASSERT_OK(loaded);
    profile_ = *std::move(loaded);
    ASSERT_NE(builtin_filter(GetParam()), nullptr);
    filter_ = *builtin_filter(GetParam());
  }
  Profile profile_;
  Filter filter_;
};

INSTANTIATE_TEST_SUITE_P(Profiles, BuiltIn, ::testing::Values("go-run", "go-run-loopback", "go-build", "generic"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST_P(BuiltIn, AnswersAsItsGoldenSays) {
  const std::string path = SANDBOX_RUN_SOURCE_DIR "/seccomp-profiles/testdata/" + GetParam() + ".golden";
  const std::string text = golden_of(profile_, filter_);
  if (std::getenv("UPDATE_GOLDENS") != nullptr) ASSERT_OK(replace_file(path, text));
  ASSERT_OK_AND_ASSIGN(const std::string golden, read_file(path, Bytes{1 << 20}));
  EXPECT_EQ(text, golden) << "if this is meant: UPDATE_GOLDENS=1 seccomp-profiles_test, and look at the difference";
}

TEST_P(BuiltIn, EveryConditionedArgumentBentByOneBitIsRefusedUnlessTheRulesNameThatValueToo) {
  int refused = 0;
  for (const Rule& rule : profile_.rules) {
    for (const auto& alternative : rule.alternatives) {
      seccomp_data data = call(rule.number);
      for (const Condition& c : alternative) {
        data.args[c.argument] = c.test == Condition::Test::not_equal ? c.value + 7 : c.value;
      }
      const std::uint32_t straight = evaluate(filter_, data);
      EXPECT_NE(straight, kNotify) << rule.syscall;
      for (const Condition& c : alternative) {
        for (int bit = 0; bit < 64; ++bit) {
          seccomp_data bent = data;
          bent.args[c.argument] ^= std::uint64_t{1} << bit;
          EXPECT_EQ(evaluate(filter_, bent), decide(profile_, bent)) << rule.syscall << " bit " << bit;
          // Nothing here may hang on the upper half: no rule names a value that differs from another only there.
          if (bit >= 32 && c.test != Condition::Test::not_equal) {
            EXPECT_EQ(evaluate(filter_, bent), kNotify) << rule.syscall << " bit " << bit;
            ++refused;
          }
        }
      }
    }
  }
  EXPECT_GT(refused, 500);
}

TEST_P(BuiltIn, AgreesWithItsRulesOnRandomCalls) {
  std::mt19937_64 random(20261121);
  // Values the rules name, so that a random call often comes close to one of them.
  std::vector<std::uint64_t> pool = {0, 1, 2, ~std::uint64_t{0}, kHigh};
  for (const Rule& rule : profile_.rules) {
    for (const auto& alternative : rule.alternatives) {
      for (const Condition& c : alternative) pool.push_back(c.value);
    }
  }
  int allowed = 0;
  for (int i = 0; i < 200000; ++i) {
    const Rule& rule = profile_.rules[random() % profile_.rules.size()];
    seccomp_data data = call(random() % 8 == 0 ? static_cast<int>(random() % 500) : rule.number);
    for (auto& argument : data.args) {
      argument = pool[random() % pool.size()];
      if (random() % 16 == 0) argument ^= std::uint64_t{1} << (random() % 64);
    }
    // Half of the calls fulfil one alternative but for luck.
    if (!rule.alternatives.empty() && data.nr == rule.number && random() % 2 == 0) {
      for (const Condition& c : rule.alternatives[random() % rule.alternatives.size()]) {
        if (c.test != Condition::Test::not_equal) data.args[c.argument] = c.value;
      }
    }
    const std::uint32_t got = evaluate(filter_, data);
    ASSERT_EQ(got, decide(profile_, data)) << "call " << data.nr;
    allowed += got == SECCOMP_RET_ALLOW ? 1 : 0;
  }
  EXPECT_GT(allowed, 10000);
}

TEST_P(BuiltIn, ForeignArchitecturesAndX32GoToTheListener) {
  for (int number = -1; number <= 600; ++number) {
    EXPECT_EQ(evaluate(filter_, call(number, {}, AUDIT_ARCH_I386)), kNotify) << number;
    EXPECT_EQ(evaluate(filter_, call(number | 0x40000000)), kNotify) << number;
    EXPECT_EQ(evaluate(filter_, call(number | static_cast<int>(0x80000000))), kNotify) << number;
  }
}

TEST_P(BuiltIn, IsATreeThatTheKernelTakes) {
  EXPECT_LT(filter_.program.size(), 500u);
  // The path of a call without conditions: architecture, x32 and a binary search, not one comparison per rule.
  Filter counted = filter_;
  ASSERT_OK_AND_ASSIGN(const Filter fresh, compile(profile_));
  ASSERT_EQ(fresh.program.size(), counted.program.size());
  for (std::size_t i = 0; i < fresh.program.size(); ++i) {
    EXPECT_EQ(fresh.program[i].code, counted.program[i].code);
    EXPECT_EQ(fresh.program[i].k, counted.program[i].k);
  }
}

struct Door {
  const char* what;
  seccomp_data data;
};

// Entry points and requests that no profile may let reach the kernel.
std::vector<Door> doors() {
  std::vector<Door> all;
  for (const char* name : {"bpf",
                           "io_uring_setup",
                           "io_uring_enter",
                           "io_uring_register",
                           "perf_event_open",
                           "userfaultfd",
                           "fsopen",
                           "fsconfig",
                           "fsmount",
                           "open_tree",
                           "move_mount",
                           "mount_setattr",
                           "mount",
                           "umount2",
                           "pivot_root",
                           "chroot",
                           "unshare",
                           "setns",
                           "ptrace",
                           "process_vm_readv",
                           "process_vm_writev",
                           "process_madvise",
                           "kcmp",
                           "pidfd_getfd",
                           "keyctl",
                           "add_key",
                           "request_key",
                           "memfd_create",
                           "memfd_secret",
                           "vmsplice",
                           "tee",
                           "inotify_init",
                           "inotify_init1",
                           "fanotify_init",
                           "shmget",
                           "semget",
                           "msgget",
                           "mq_open",
                           "reboot",
                           "kexec_load",
                           "init_module",
                           "finit_module",
                           "swapon",
                           "sync",
                           "syncfs",
                           "quotactl",
                           "acct",
                           "settimeofday",
                           "clock_settime",
                           "adjtimex",
                           "sethostname",
                           "setdomainname",
                           "iopl",
                           "ioperm",
                           "modify_ldt",
                           "personality",
                           "setuid",
                           "setgid",
                           "setgroups",
                           "setresuid",
                           "setresgid",
                           "capset",
                           "chown",
                           "fchown",
                           "lchown",
                           "fchownat",
                           "mknod",
                           "mknodat",
                           "setxattr",
                           "lsetxattr",
                           "fsetxattr",
                           "sched_setaffinity",
                           "sched_setscheduler",
                           "sched_setattr",
                           "setpriority",
                           "mlock",
                           "mlockall",
                           "mbind",
                           "move_pages",
                           "migrate_pages",
                           "pkey_mprotect",
                           "remap_file_pages",
                           "seccomp",
                           "execveat",
                           "fork",
                           "vfork",
                           "rt_sigqueueinfo",
                           "rt_tgsigqueueinfo",
                           "tkill",
                           "futex_waitv",
                           "futex_wake",
                           "futex_wait",
                           "futex_requeue",
                           "landlock_create_ruleset",
                           "name_to_handle_at",
                           "open_by_handle_at",
                           "lookup_dcookie",
                           "vhangup",
                           "syslog",
                           "uselib",
                           "ustat",
                           "sysfs",
                           "socketpair"}) {
    all.push_back({name, call(syscall_number(name))});
  }
  const auto with = [&](const char* what, const char* name, std::vector<std::uint64_t> arguments) {
    all.push_back({what, call(syscall_number(name), std::move(arguments))});
  };
  with("clone into a user namespace", "clone", {0x10000000 | 17});
  with("fork by clone", "clone", {17});
  with("a thread with CLONE_IO", "clone", {0x50f00 | 0x80000000});
  with("a thread with a high bit", "clone", {0xd0f00 | kHigh});
  with("a thread in a new time namespace", "clone", {0x50f80});
  with("FUTEX_LOCK_PI", "futex", {0, 6});
  with("FUTEX_CMP_REQUEUE_PI", "futex", {0, 12 | 128});
  with("FUTEX_REQUEUE", "futex", {0, 3});
  with("FUTEX_WAIT_PRIVATE with a high bit", "futex", {0, 0x80 | kHigh});
  with("a writable and executable mapping", "mmap", {0, 4096, 7, 0x22});
  with("an executable anonymous mapping", "mmap", {0, 4096, 5, 0x22});
  with("an executable shared file", "mmap", {0, 4096, 5, 1, 3});
  with("a mapping with huge pages", "mmap", {0, 4096, 3, 0x40022});
  with("a mapping that grows down", "mmap", {0, 4096, 3, 0x122});
  with("mprotect to executable", "mprotect", {4096, 4096, 5});
  with("mprotect to executable with a high bit", "mprotect", {4096, 4096, 4 | kHigh});
  with("MADV_MERGEABLE", "madvise", {0, 0, 12});
  with("AF_UNIX", "socket", {1, 1, 0});
  with("AF_NETLINK", "socket", {16, 3, 0});
  with("AF_ALG", "socket", {38, 5, 0});
  with("AF_VSOCK with a high bit", "socket", {40 | kHigh, 1, 0});
  with("AF_INET raw", "socket", {2, 3, 1});
  with("AF_PACKET", "socket", {17, 3, 0});
  with("AF_INET with a high bit", "socket", {2 | kHigh, 1 | 0x80800, 0});
  with("SCTP", "socket", {2, 1 | 0x80800, 132});
  with("TCP_ULP", "setsockopt", {3, 6, 31});
  with("IP_ADD_MEMBERSHIP", "setsockopt", {3, 0, 35});
  with("MSG_ZEROCOPY", "sendmsg", {3, 0, 0x4000000});
  with("kill(1)", "kill", {1, 9});
  with("kill(-1)", "kill", {~std::uint64_t{0}, 9});
  with("kill(2) with a high bit", "kill", {2 | kHigh, 9});
  with("TIOCSTI", "ioctl", {0, 0x5412});
  with("TIOCSTI with a high bit", "ioctl", {0, 0x5412 | kHigh});
  with("FS_IOC_SETFLAGS", "ioctl", {3, 0x40086602});
  with("NS_GET_PARENT", "ioctl", {3, 0xb702});
  with("F_SETOWN", "fcntl", {0, 8, 1});
  with("F_SETSIG", "fcntl", {0, 10, 1});
  with("F_SETLEASE", "fcntl", {3, 1024, 0});
  with("F_NOTIFY", "fcntl", {3, 1026, 1});
  with("F_SETLK", "fcntl", {3, 6, 0});
  with("F_OFD_SETLK", "fcntl", {3, 37, 0});
  with("F_ADD_SEALS", "fcntl", {3, 1033, 1});
  with("O_ASYNC by F_SETFL", "fcntl", {0, 4, 020000});
  with("O_DIRECT by F_SETFL on a pipe", "fcntl", {1, 4, 040000});
  with("a notification pipe", "pipe2", {0, 0200});
  with("a packet pipe", "pipe2", {0, 040000});
  with("a setuid file by open", "openat", {~std::uint64_t{99}, 4096, 0101, 04755});
  with("a setuid file by chmod", "fchmodat", {~std::uint64_t{99}, 4096, 04755});
  with("a setuid file by fchmod", "fchmod", {3, 06777});
  with("O_TMPFILE", "openat", {~std::uint64_t{99}, 4096, 020200002, 0600});
  with("PR_SET_SECCOMP", "prctl", {22, 2, 0});
  with("PR_SET_MM", "prctl", {35, 1});
  with("PR_SET_DUMPABLE", "prctl", {4, 1});
  with("PR_SET_CHILD_SUBREAPER with a high bit", "prctl", {36 | kHigh, 1});
  with("PR_SET_SYSCALL_USER_DISPATCH", "prctl", {59, 1});
  with("PR_SET_MEMORY_MERGE", "prctl", {67, 1});
  with("ARCH_SET_GS", "arch_prctl", {0x1001, 4096});
  with("limits of another process", "prlimit64", {1, 7, 0, 4096});
  with("raising RLIMIT_CORE", "prlimit64", {0, 4, 4096, 0});
  return all;
}

TEST_P(BuiltIn, TheDoorsStayShut) {
  for (const Door& door : doors()) {
    EXPECT_NE(evaluate(filter_, door.data), SECCOMP_RET_ALLOW) << door.what;
  }
  EXPECT_GT(doors().size(), 140u);
}

TEST(TheDoors, ControlAProfileThatAllowsThemOpensEach) {
  for (const Door& door : doors()) {
    const std::string name = syscall_name(AUDIT_ARCH_X86_64, door.data.nr);
    ASSERT_OK_AND_ASSIGN(const Profile open,
                         Profile::parse("# open: the control\nallow " + name + " # test\n", "open"));
    ASSERT_OK_AND_ASSIGN(const Filter filter, compile(open));
    EXPECT_EQ(evaluate(filter, door.data), SECCOMP_RET_ALLOW) << door.what;
  }
}

TEST(GoRun, HasNoSocketCallAndNoProcess) {
  const Filter& filter = *builtin_filter("go-run");
  for (int number = SYS_socket; number <= SYS_getsockopt; ++number) {
    EXPECT_EQ(evaluate(filter, call(number)), kNotify) << number;
  }
  for (int number : {SYS_execve, SYS_execveat, SYS_fork, SYS_vfork, SYS_setsid, SYS_setpgid, SYS_flock, SYS_splice}) {
    EXPECT_EQ(evaluate(filter, call(number)), kNotify) << number;
  }
  EXPECT_EQ(evaluate(filter, call(SYS_clone, {0x4111})), kNotify);
}

TEST(GoRunLoopback, HasInternetSocketsOnly) {
  const Filter& filter = *builtin_filter("go-run-loopback");
  constexpr std::uint64_t kFlags = 0x80800;  // SOCK_NONBLOCK | SOCK_CLOEXEC, which net always asks for
  for (std::uint64_t family = 0; family < 64; ++family) {
    for (std::uint64_t type = 0; type < 12; ++type) {
      const bool internet = (family == 2 || family == 10) && (type == 1 || type == 2);
      EXPECT_EQ(evaluate(filter, call(SYS_socket, {family, type | kFlags, 0})), internet ? SECCOMP_RET_ALLOW : kNotify)
          << family << " " << type;
    }
  }
}

TEST(Interpreter, RunsEachOperationAsTheKernelDoes) {
  const auto run = [](std::vector<sock_filter> program, seccomp_data data = call(7, {0x1122334455667788})) {
    return evaluate(Filter{std::move(program)}, data);
  };
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_RET | BPF_A, 0)}), 7u);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16), BPF_STMT(BPF_RET | BPF_A, 0)}), 0x55667788u);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 20), BPF_STMT(BPF_RET | BPF_A, 0)}), 0x11223344u);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_IMM, 6), BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 7), BPF_STMT(BPF_RET | BPF_A, 0)}),
            0xffffffffu);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_IMM, 6), BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_LD | BPF_IMM, 3),
                 BPF_STMT(BPF_ALU | BPF_LSH | BPF_X, 0), BPF_STMT(BPF_RET | BPF_A, 0)}),
            192u);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_IMM, 9), BPF_STMT(BPF_ST, 15), BPF_STMT(BPF_LDX | BPF_MEM, 15),
                 BPF_STMT(BPF_MISC | BPF_TXA, 0), BPF_STMT(BPF_RET | BPF_A, 0)}),
            9u);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_LEN, 0), BPF_STMT(BPF_RET | BPF_A, 0)}), 64u);
  EXPECT_EQ(run({BPF_STMT(BPF_JMP | BPF_JA, 1), BPF_STMT(BPF_RET | BPF_K, 1), BPF_STMT(BPF_RET | BPF_K, 2)}), 2u);
  for (const auto& [code, taken] :
       std::vector<std::pair<int, bool>>{{BPF_JEQ, true}, {BPF_JGT, false}, {BPF_JGE, true}, {BPF_JSET, true}}) {
    EXPECT_EQ(
        run({BPF_STMT(BPF_LD | BPF_IMM, 5), BPF_JUMP(static_cast<unsigned short>(BPF_JMP | code | BPF_K), 5, 1, 0),
             BPF_STMT(BPF_RET | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 1)}),
        taken ? 1u : 0u);
  }
}

TEST(Interpreter, WhatTheKernelWouldNotLoadKills) {
  const auto run = [](std::vector<sock_filter> program) { return evaluate(Filter{std::move(program)}, call(0)); };
  EXPECT_EQ(run({}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_IMM, 1)}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), BPF_STMT(BPF_RET | BPF_K, 1)}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), BPF_STMT(BPF_RET | BPF_K, 1)}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_STMT(BPF_RET | BPF_K, 1)}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(run({BPF_STMT(BPF_LD | BPF_MEM, 16), BPF_STMT(BPF_RET | BPF_K, 1)}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(run({BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 1)}), SECCOMP_RET_KILL_PROCESS);
}

TEST(WithoutListener, ReplacesNotificationsAndNothingElse) {
  const Filter& filter = *builtin_filter("go-run");
  const Filter killing = without_listener(filter, SECCOMP_RET_KILL_PROCESS);
  for (int number = 0; number < 600; ++number) {
    const std::uint32_t before = evaluate(filter, call(number));
    EXPECT_EQ(evaluate(killing, call(number)), before == kNotify ? SECCOMP_RET_KILL_PROCESS : before) << number;
  }
}

Filter compiled(const std::string& text) {
  auto profile = Profile::parse("# test: for a test\n" + text, "test");
  EXPECT_OK(profile);
  auto filter = compile(*profile);
  EXPECT_OK(filter);
  return *filter;
}

TEST(NeverAllows, BuiltinProfilesWithoutANetworkMakeNoSocketAndTheOneForLoopbackDoes) {
  for (const char* name : {"go-run", "generic", "go-build"})
    EXPECT_TRUE(never_allows_sockets(*builtin_filter(name))) << name;
  EXPECT_FALSE(never_allows_sockets(*builtin_filter("go-run-loopback")));
}

TEST(NeverAllows, OneArgumentThatGetsThroughIsEnough) {
  const std::string base = "allow read # why\n";
  EXPECT_TRUE(never_allows_sockets(compiled(base)));
  for (const char* rule :
       {"allow socket domain==1 & type==SOCK_STREAM & protocol==0", "allow socketpair", "allow io_uring_setup"})
    EXPECT_FALSE(never_allows_sockets(compiled(base + rule + " # why\n"))) << rule;
  EXPECT_TRUE(never_allows_sockets(compiled(base + "quiet socket EACCES # why\n")))
      << "refused without a word is refused";
}

// What zero arguments say is not what all say: the reason for a proof.
TEST(NeverAllows, SeesWhatACallWithZeroArgumentsDoesNot) {
  const Filter filter =
      compiled("allow read # why\nallow socket domain==AF_INET6 & type==SOCK_STREAM & protocol==0 # why\n");
  EXPECT_EQ(evaluate(filter, call(SYS_socket)), kNotify);
  EXPECT_FALSE(never_allows(filter, AUDIT_ARCH_X86_64, SYS_socket));
  EXPECT_TRUE(never_allows(filter, AUDIT_ARCH_X86_64, SYS_socketpair));
}

TEST(NeverAllows, OtherWaysToCallCount) {
  const std::uint32_t nr = offsetof(seccomp_data, nr), arch = offsetof(seccomp_data, arch);
  const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), deny = BPF_STMT(BPF_RET | BPF_K, kNotify);
  const sock_filter log = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_LOG);
  EXPECT_TRUE(never_allows_sockets({{deny}}));
  EXPECT_FALSE(never_allows_sockets({{allow}}));
  EXPECT_FALSE(never_allows_sockets({{log}})) << "logged is allowed";
  EXPECT_FALSE(never_allows_sockets({{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr)}})) << "runs off its end";
  EXPECT_FALSE(never_allows_sockets({{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arch),
                                      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 1), allow, deny}}));
  EXPECT_FALSE(
      never_allows_sockets({{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr),
                             BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket | 0x40000000, 0, 1), allow, deny}}));
  EXPECT_FALSE(
      never_allows_sockets({{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, nr), BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_LD | BPF_MEM, 0),
                             BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), allow, deny}}))
      << "what went through memory is not known";
}

// The proof against the interpreter: where it says never, no call that is tried gets through.
TEST(NeverAllows, AgreesWithTheInterpreter) {
  std::mt19937_64 random(1);
  for (const char* name : {"go-run", "generic", "go-run-loopback", "go-build"}) {
    const Filter& filter = *builtin_filter(name);
    int proven = 0;
    for (int number = 0; number < 460; ++number) {
      if (!never_allows(filter, AUDIT_ARCH_X86_64, static_cast<std::uint32_t>(number))) continue;
      ++proven;
      for (int attempt = 0; attempt < 50; ++attempt) {
        std::vector<std::uint64_t> arguments(6);
        for (std::uint64_t& argument : arguments) argument = random() % 2 ? random() % 16 : random();
        EXPECT_NE(evaluate(filter, call(number, arguments)), SECCOMP_RET_ALLOW) << name << " " << number;
      }
    }
    EXPECT_GT(proven, 200) << name;
  }
}

}  // namespace
}  // namespace sandbox_run::seccomp_profiles
