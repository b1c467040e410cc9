// Compiled without sanitizers: the clone has no runtime of its own, and shares ours.
#include "launch/entry.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/sched.h>

#include "launch/init/system_calls.h"

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

namespace sandbox_run::launch {
namespace {

// What the set-up needs, in the namespaces made with the clone. Ambient ones are the only kind that an exec keeps
// while the process' uid has no mapping yet (capabilities(7)).
constexpr int kSetupCapabilities[] = {CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FOWNER,    CAP_SETGID,      CAP_SETUID,
                                      CAP_SETPCAP, CAP_NET_ADMIN,    CAP_SYS_ADMIN, CAP_SYS_RESOURCE};

long raise_ambient() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (const long error = system_call(__NR_capget, word(&header), word(data)); error < 0) return error;
  for (auto& half : data) half.inheritable = half.permitted;
  if (const long error = system_call(__NR_capset, word(&header), word(data)); error < 0) return error;
  for (int capability : kSetupCapabilities)
    if (const long error = system_call(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0); error < 0)
      return error;
  return 0;
}

// A network namespace alone takes longer to make than the clone itself, so it is made here, while the supervisor goes
// on, and not in clone3(2), where the supervisor would stand and wait.
long enter_namespaces(const EntryArguments& arguments) {
  return system_call(__NR_unshare, static_cast<long>(arguments.namespaces));
}

long execute_init(const EntryArguments& arguments) {
  if (const long error = system_call(__NR_dup2, arguments.control, 0); error < 0) return error;
  static const char* const kArguments[] = {"sandbox-init", nullptr};
  static const char* const kEnvironment[] = {nullptr};
  return system_call(__NR_execveat, arguments.init_file, word(""), word(kArguments), word(kEnvironment), AT_EMPTY_PATH);
}

// A failure goes to the supervisor's memory; returning is only for what failed.
void run_entry(EntryArguments* arguments) {
  const struct {
    Step step;
    long (*act)(const EntryArguments&);
  } steps[] = {
      {Step::namespace_enter, enter_namespaces},
      {Step::init_capabilities, [](const EntryArguments&) { return raise_ambient(); }},
      {Step::init_exec, execute_init},
  };
  for (const auto& row : steps) {
    const bool injected = arguments->inject_errno != 0 && arguments->inject_step == row.step;
    const long result = injected ? -arguments->inject_errno : row.act(*arguments);
    if (result >= 0) continue;
    arguments->failed_step = row.step;
    arguments->error = static_cast<int>(-result);
    leave(1);
  }
}

}  // namespace

long clone_entry(int cgroup, EntryArguments* arguments, int* pidfd) {
  clone_args request{};
  request.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_VM | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  request.pidfd = reinterpret_cast<std::uint64_t>(pidfd);
  request.stack = reinterpret_cast<std::uint64_t>(arguments->stack.bytes);
  request.stack_size = sizeof arguments->stack.bytes;
  if (cgroup >= 0) {
    request.flags |= CLONE_INTO_CGROUP;
    request.cgroup = static_cast<std::uint64_t>(cgroup);
  }
  // A handler of ours must never run in the clone, nor a signal end it half way: it inherits a full mask.
  const std::uint64_t all = ~std::uint64_t{0};
  std::uint64_t before = 0;
  system_call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, word(&all), word(&before), sizeof all);
  long result;
  // Registers by name: the child clears rbp, which the compiler may have chosen otherwise.
  register void* argument asm("r8") = arguments;
  register auto* entry asm("r9") = &run_entry;
  // The child starts on its own stack and never comes back through this frame.
  asm volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 1f\n"
      "xor %%ebp, %%ebp\n"
      "mov %%r8, %%rdi\n"
      "call *%%r9\n"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(__NR_clone3), "D"(&request), "S"(sizeof request), "r"(argument), "r"(entry)
      : "rcx", "r11", "memory");
  system_call(__NR_rt_sigprocmask, 2, word(&before), 0, sizeof before);
  return result;
}

}  // namespace sandbox_run::launch
