// Init: pid 1 of a sandbox. A freestanding program of raw system calls, a few KiB, embedded in the supervisor and
// executed from a sealed memory file; it never shares memory with the supervisor beyond the exchange pages.
//
// Theory of operation. Descriptor 0 is the control socket. Init receives every descriptor of the launch in one message,
// maps the exchange, does its own rows, then clones pid 2, which shares init's memory and descriptor table. Pid 2 does
// the rest of the script (mounts, pivot, limits, identity, filter) while init, in parallel, gives up every privilege.
// The filter's listener comes up as a descriptor in the shared table: pid 2 could not send it (its filter denies that),
// so init does, after splitting the table off. Then pid 2 stands in the call that its filter hands to the supervisor,
// and becomes the program when that is answered. Init reaps; when pid 2 ends it writes its wait status to a pipe that
// nobody else holds and leaves, which ends everything else in the namespace.
#include <linux/audit.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/wait.h>

#include <cstddef>

#include "launch/exchange.h"
#include "launch/init/actions.h"
#include "launch/init/system_calls.h"

// The compiler may call these for copies and fills.
extern "C" void* memcpy(void* to, const void* from, unsigned long size) {
  void* start = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return start;
}
extern "C" void* memset(void* to, int byte, unsigned long size) {
  void* start = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
  return start;
}

namespace sandbox_run::launch {
namespace {

// Wire forms of <sys/socket.h>, which a freestanding program has not.
struct IoVector {
  void* base;
  unsigned long length;
};
struct MessageHeader {
  void* name;
  std::uint32_t name_length;
  IoVector* vectors;
  unsigned long vector_count;
  void* control;
  unsigned long control_length;
  std::int32_t flags;
};
struct ControlHeader {
  unsigned long length;
  std::int32_t level;
  std::int32_t type;
};
constexpr std::int32_t kSocketLevel = 1;          // SOL_SOCKET
constexpr std::int32_t kRights = 1;               // SCM_RIGHTS
constexpr long kControlCloseOnExec = 0x40000000;  // MSG_CMSG_CLOEXEC
constexpr std::int32_t kControlTruncated = 8;     // MSG_CTRUNC
constexpr long kTooManyOpen = -24;                // EMFILE
constexpr long kNoSignal = 0x4000;                // MSG_NOSIGNAL
constexpr int kControlSocket = 0;                 // until the pipes take its place
constexpr int kFailedListener = -1;

ScriptState g_state{};
int g_control = -1;
int g_descriptors[kMostDescriptors];
volatile int g_listener = 0;  // futex word: 0 not yet, -1 pid 2 failed, else the descriptor
alignas(16) char g_program_stack[16384];

void report(LaunchReport::Kind kind, std::uint32_t row, long error, int descriptor) {
  const Exchange* exchange = g_state.exchange;
  LaunchReport message{kind, static_cast<std::uint32_t>(Step::init_script), row, static_cast<std::int32_t>(-error)};
  if (exchange != nullptr && row < exchange->row_count) {
    const Row* rows = reinterpret_cast<const Row*>(reinterpret_cast<const char*>(exchange) + exchange->rows);
    message.step = static_cast<std::uint32_t>(rows[row].step);
  }
  IoVector vector{&message, sizeof message};
  struct {
    ControlHeader header;
    std::int32_t descriptor;
    std::int32_t padding;
  } rights{{sizeof(ControlHeader) + sizeof(std::int32_t), kSocketLevel, kRights}, descriptor, 0};
  MessageHeader header{nullptr, 0, &vector, 1, &rights, sizeof rights, 0};
  if (descriptor < 0) header.control = nullptr, header.control_length = 0;
  if (system_call(__NR_sendmsg, g_control, word(&header), kNoSignal) < 0) leave(1);
}

// Does the rows of `actor` from `first` up to the row `stop`, or to the end. Answers the row it stopped at.
std::uint32_t run_rows(std::uint32_t first, Actor actor, Step stop) {
  Exchange* exchange = g_state.exchange;
  Row* rows = reinterpret_cast<Row*>(reinterpret_cast<char*>(exchange) + exchange->rows);
  std::uint32_t index = first;
  for (; index < exchange->row_count && rows[index].step != stop; ++index) {
    Row& row = rows[index];
    if (facts_of(row.step).actor != actor || row.step == Step::init_filter) continue;
    const long result = perform(g_state, row);
    if (result >= 0) continue;
    if (row.is_optional) {
      row.result = static_cast<std::int32_t>(-result);
      continue;
    }
    report(LaunchReport::failed, index, result, -1);
    if (actor == Actor::program) {
      g_listener = kFailedListener;
      system_call(__NR_futex, word(&g_listener), FUTEX_WAKE_PRIVATE, 1);
    }
    leave(1);
  }
  return index;
}

[[noreturn]] void fail_program(std::uint32_t row, long error) {
  report(LaunchReport::failed, row, error, -1);
  g_listener = kFailedListener;
  system_call(__NR_futex, word(&g_listener), FUTEX_WAKE_PRIVATE, 1);
  leave(1);
}

long install_filter(Exchange* exchange) {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(exchange->filter_length);
  program.filter = reinterpret_cast<sock_filter*>(reinterpret_cast<char*>(exchange) + exchange->filter);
  const long flags = exchange->wait_killable != 0 ? kListenerFlags | kWaitKillable : kListenerFlags;
  return system_call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, word(&program));
}

// Pid 2, until it is the program.
[[noreturn]] void become_program() {
  Exchange* exchange = g_state.exchange;
  const std::uint32_t filter_row = run_rows(0, Actor::program, Step::filter_install);
  const Row* rows = reinterpret_cast<const Row*>(reinterpret_cast<const char*>(exchange) + exchange->rows);
  if (rows[filter_row].inject_errno != 0) fail_program(filter_row, -rows[filter_row].inject_errno);
  const long listener = install_filter(exchange);
  if (listener < 0) fail_program(filter_row, listener);
  g_listener = static_cast<int>(listener);
  // A profile without this call hands it to the listener; init then finds the word by its timeout.
  system_call(__NR_futex, word(&g_listener), FUTEX_WAKE_PRIVATE, 1);
  const long arguments = static_cast<long>(kExchangeAddress + kArgumentsAt);
  const long environment = static_cast<long>(kExchangeAddress + kEnvironmentAt);
  if (exchange->pause_number != __NR_execveat) system_call(exchange->pause_number);
  const long error = system_call(__NR_execveat, kProgramDescriptor, word(""), arguments, environment, AT_EMPTY_PATH);
  exchange->exec_errno = static_cast<std::int32_t>(-error);
  leave(127);
}

// clone(2) with a stack of its own; in the child `become_program` is called there.
long spawn_program() {
  const long flags = CLONE_VM | CLONE_FILES | CLONE_FS | 17 /* SIGCHLD */;
  long result;
  register long r10 asm("r10") = 0;
  register long r8 asm("r8") = 0;
  asm volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "xor %%ebp, %%ebp\n"
      "call *%[entry]\n"
      "1:"
      : "=a"(result)
      : "a"(__NR_clone), "D"(flags), "S"(g_program_stack + sizeof g_program_stack), "d"(0), "r"(r10),
        "r"(r8), [entry] "b"(&become_program)
      : "rcx", "r11", "memory");
  return result;
}

// What init does from here on: wait for the listener, send it, reap, report. Anything else is death.
long filter_init() {
  static const sock_filter kProgram[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 9),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_futex, 8, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_unshare, 7, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sendmsg, 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_close_range, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_dup2, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_waitid, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{};
  program.len = sizeof kProgram / sizeof kProgram[0];
  program.filter = const_cast<sock_filter*>(kProgram);
  return system_call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, word(&program));
}

void hand_over_listener(std::uint32_t ready_row) {
  struct {
    std::int64_t seconds, nanoseconds;
  } const step{0, 20'000'000};
  while (g_listener == 0) {
    if (system_call(__NR_futex, word(&g_listener), FUTEX_WAIT_PRIVATE, 0, word(&step)) != -ETIMEDOUT) continue;
    if (g_listener == 0 && system_call(__NR_waitid, P_ALL, 0, 0, WEXITED | WNOHANG, 0) == -ECHILD) leave(1);
  }
  if (g_listener == kFailedListener) leave(1);
  // A table of its own first: the program's descriptor must come up in pid 2's only.
  if (const long error = system_call(__NR_unshare, CLONE_FILES); error < 0) {
    report(LaunchReport::failed, ready_row, error, -1);
    leave(1);
  }
  report(LaunchReport::ready, ready_row, 0, g_listener);
}

// Until pid 2 ends; whatever else is orphaned to init is reaped on the way.
[[noreturn]] void reap(int status_pipe) {
  system_call(__NR_dup2, status_pipe, 0);
  system_call(__NR_close_range, 1, ~0u, 0);
  struct {
    std::int32_t signo, error, code, padding;
    std::int32_t pid;
    std::uint32_t uid;
    std::int32_t status;
    char rest[128 - 28];
  } info;  // siginfo_t of SIGCHLD on x86-64
  for (;;) {
    info.pid = 0;
    if (const long error = system_call(__NR_waitid, P_ALL, 0, word(&info), WEXITED, 0); error < 0) {
      if (error == -EINTR) continue;
      leave(1);
    }
    if (info.pid != 2) continue;
    const StatusRecord record{StatusRecord::kMagic, info.code, info.status, 0};
    system_call(__NR_write, 0, word(&record), sizeof record);
    leave(0);
  }
}

// One message with the script's page and all descriptors. End of file: the supervisor is gone.
void receive_script() {
  char byte;
  IoVector vector{&byte, 1};
  alignas(8) static char control[sizeof(ControlHeader) + sizeof g_descriptors];
  MessageHeader header{nullptr, 0, &vector, 1, control, sizeof control, 0};
  long received;
  do received = system_call(__NR_recvmsg, g_control, word(&header), kControlCloseOnExec);
  while (received == -EINTR);
  const ControlHeader* rights = reinterpret_cast<const ControlHeader*>(control);
  if (received == 1 && (header.flags & kControlTruncated) != 0) {  // more descriptors than RLIMIT_NOFILE lets us have
    report(LaunchReport::failed, 0, kTooManyOpen, -1);
    leave(1);
  }
  if (received != 1 || header.control_length < sizeof(ControlHeader) || rights->type != kRights) leave(1);
  memcpy(g_descriptors, control + sizeof(ControlHeader), rights->length - sizeof(ControlHeader));
}

long take_script() {
  g_state.descriptors = g_descriptors;
  const long mapped = system_call(__NR_mmap, static_cast<long>(kExchangeAddress), kExchangeSize, 3 /* READ|WRITE */,
                                  0x100001 /* MAP_SHARED|MAP_FIXED_NOREPLACE */, g_descriptors[kExchangeFd], 0);
  if (mapped != static_cast<long>(kExchangeAddress)) return mapped < 0 ? mapped : -EEXIST;
  g_state.exchange = reinterpret_cast<Exchange*>(kExchangeAddress);
  for (int stream = 0; stream < 3; ++stream)
    if (const long error = system_call(__NR_dup2, g_descriptors[kStdinFd + stream], stream); error < 0) return error;
  return 0;
}

[[noreturn]] void run_init() {
  // Off 0, which becomes the program's stdin.
  g_control = static_cast<int>(system_call(__NR_fcntl, kControlSocket, F_DUPFD_CLOEXEC, 3));
  if (g_control < 0) leave(1);
  receive_script();
  if (const long error = take_script(); error < 0) {
    report(LaunchReport::failed, 0, error, -1);
    leave(1);
  }
  const Exchange* exchange = g_state.exchange;
  const Row* rows = reinterpret_cast<const Row*>(reinterpret_cast<const char*>(exchange) + exchange->rows);
  const std::uint32_t spawn_row = run_rows(1, Actor::init, Step::program_spawn);  // row 0 is take_script()
  const long injected = rows[0].inject_errno != 0 ? rows[0].inject_errno : rows[spawn_row].inject_errno;
  if (injected != 0) {
    report(LaunchReport::failed, rows[0].inject_errno != 0 ? 0 : spawn_row, -injected, -1);
    leave(1);
  }
  if (const long program = spawn_program(); program != 2) {
    report(LaunchReport::failed, spawn_row, program < 0 ? program : -ESRCH, -1);
    leave(1);
  }
  const std::uint32_t filter_row = run_rows(spawn_row + 1, Actor::init, Step::init_filter);
  if (filter_row < exchange->row_count) {
    const long error = rows[filter_row].inject_errno != 0 ? -rows[filter_row].inject_errno : filter_init();
    if (error < 0) {
      report(LaunchReport::failed, filter_row, error, -1);
      leave(1);
    }
  }
  hand_over_listener(spawn_row);
  reap(g_descriptors[kStatusFd]);
}

}  // namespace
}  // namespace sandbox_run::launch

extern "C" [[noreturn]] void init_main() { sandbox_run::launch::run_init(); }

// The kernel enters with the stack aligned and argc on top; nothing of it is needed.
asm(".globl _start\n"
    ".type _start, @function\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  and $-16, %rsp\n"
    "  call init_main\n");
