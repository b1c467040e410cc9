#include "ingest/unarchive_confinement.h"

#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <iterator>
#include <string>

// GCC defines a macro, clang answers a question.
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_RUN_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_RUN_SANITIZED 1
#endif
#endif

namespace sandbox_run::ingest {
namespace {

constexpr unsigned kNobody = 65534;

#if defined(__x86_64__)
constexpr unsigned kArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kArch = AUDIT_ARCH_AARCH64;
#else
#error "name this machine's AUDIT_ARCH here"
#endif

Error failed(const char* step) {
  return host_error(errno, std::string("the archive reader cannot confine itself: ") + step);
}

Status limit(int resource, rlim_t value, const char* name) {
  rlimit current{};
  ::getrlimit(static_cast<__rlimit_resource>(resource), &current);
  if (current.rlim_max < value) value = current.rlim_max;
  const rlimit wanted{value, value};
  return ::setrlimit(static_cast<__rlimit_resource>(resource), &wanted) == 0 ? Status() : Status(failed(name));
}

// Raw calls: the wrappers of glibc signal all threads and refuse numbers that are not mapped differently.
Status drop_identity() {
  if (::geteuid() != 0) return {};
  const bool groups = ::syscall(SYS_setgroups, 0, nullptr) == 0;
  const bool dropped = groups && ::syscall(SYS_setresgid, kNobody, kNobody, kNobody) == 0 &&
                       ::syscall(SYS_setresuid, kNobody, kNobody, kNobody) == 0;
  if (dropped) return {};
  if (errno != EINVAL && errno != EPERM) return failed("setresuid");
  // Root of a user namespace that maps no other id: its capabilities are all it has.
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  return ::syscall(SYS_capset, &header, none) == 0 ? Status() : Status(failed("capset"));
}

// Everything else fails with EPERM, which C libraries survive; a foreign architecture dies.
Status filter_calls() {
  // No way to signal: even abort(3) ends by a fault of its own instead.
  constexpr unsigned kAllowed[] = {// the frames, the C library's streams
                                   SYS_read, SYS_write, SYS_lseek, SYS_pread64, SYS_fstat, SYS_close,
                                   // memory
                                   SYS_mmap, SYS_munmap, SYS_mremap, SYS_brk, SYS_madvise,
                                   // locks, hash seeds, time stamps
                                   SYS_futex, SYS_getrandom, SYS_clock_gettime, SYS_rt_sigreturn, SYS_rt_sigprocmask,
#ifdef SANDBOX_RUN_SANITIZED
                                   SYS_pipe2, SYS_sigaltstack,
#endif
                                   SYS_exit, SYS_exit_group};
  constexpr std::size_t kCount = std::size(kAllowed);
  sock_filter program[kCount + 7] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  std::size_t at = 4;
  for (std::size_t i = 0; i < kCount; ++i)
    program[at++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAllowed[i], static_cast<unsigned char>(kCount - i), 0);
  program[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  program[at++] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog code{static_cast<unsigned short>(at), program};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &code) != 0) return failed("seccomp");
  return {};
}

}  // namespace

Status confine_archive_reader() {
  TRY_STATUS(limit(RLIMIT_CPU, kUnarchiveCpuSeconds, "RLIMIT_CPU"));
  TRY_STATUS(limit(RLIMIT_FSIZE, 0, "RLIMIT_FSIZE"));
#ifndef SANDBOX_RUN_SANITIZED  // a sanitizer's shadow is larger than any limit, and it looks at memory through pipes
  TRY_STATUS(limit(RLIMIT_AS, rlim_t{2} << 30, "RLIMIT_AS"));
  TRY_STATUS(limit(RLIMIT_NOFILE, 3, "RLIMIT_NOFILE"));
#endif
  TRY_STATUS(limit(RLIMIT_NPROC, 0, "RLIMIT_NPROC"));
  TRY_STATUS(limit(RLIMIT_CORE, 0, "RLIMIT_CORE"));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs");
  TRY_STATUS(drop_identity());
  // After the change of identity, which clears it. A supervisor that ended before this line is a pipe without a reader.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return failed("PR_SET_PDEATHSIG");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("PR_SET_DUMPABLE");
  return filter_calls();
}

}  // namespace sandbox_run::ingest
