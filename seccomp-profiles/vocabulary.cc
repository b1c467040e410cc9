#include "seccomp-profiles/vocabulary.h"

#include <asm/ioctls.h>
#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace sandbox_run::seccomp_profiles {
namespace {

struct Signature {
  std::string_view syscall;
  std::array<std::string_view, 6> arguments;
};

// As in the man pages of section 2 (and the raw call where glibc's differs: clone, kernel's openat mode).
constexpr Signature kSignatures[] = {
    {"accept4", {"sockfd", "addr", "addrlen", "flags"}},
    {"arch_prctl", {"code", "addr"}},
    {"clone", {"flags", "stack", "parent_tid", "child_tid", "tls"}},
    {"close_range", {"first", "last", "flags"}},
    {"eventfd2", {"initval", "flags"}},
    {"faccessat2", {"dirfd", "pathname", "mode", "flags"}},
    {"fallocate", {"fd", "mode", "offset", "len"}},
    {"fchmod", {"fd", "mode"}},
    {"fchmodat", {"dirfd", "pathname", "mode"}},
    {"fchmodat2", {"dirfd", "pathname", "mode", "flags"}},
    {"chmod", {"pathname", "mode"}},
    {"creat", {"pathname", "mode"}},
    {"fcntl", {"fd", "cmd", "arg"}},
    {"flock", {"fd", "operation"}},
    {"futex", {"uaddr", "op", "val", "timeout", "uaddr2", "val3"}},
    {"getrandom", {"buf", "buflen", "flags"}},
    {"getrusage", {"who", "usage"}},
    {"getsockopt", {"sockfd", "level", "optname", "optval", "optlen"}},
    {"ioctl", {"fd", "request", "argp"}},
    {"kill", {"pid", "sig"}},
    {"linkat", {"olddirfd", "oldpath", "newdirfd", "newpath", "flags"}},
    {"madvise", {"addr", "length", "advice"}},
    {"mkdir", {"pathname", "mode"}},
    {"mkdirat", {"dirfd", "pathname", "mode"}},
    {"mmap", {"addr", "length", "prot", "flags", "fd", "offset"}},
    {"mprotect", {"addr", "len", "prot"}},
    {"mremap", {"old_address", "old_size", "new_size", "flags", "new_address"}},
    {"open", {"pathname", "flags", "mode"}},
    {"openat", {"dirfd", "pathname", "flags", "mode"}},
    {"pidfd_open", {"pid", "flags"}},
    {"pidfd_send_signal", {"pidfd", "sig", "info", "flags"}},
    {"pipe2", {"pipefd", "flags"}},
    {"prctl", {"option", "arg2", "arg3", "arg4", "arg5"}},
    {"prlimit64", {"pid", "resource", "new_limit", "old_limit"}},
    {"recvfrom", {"sockfd", "buf", "len", "flags", "src_addr", "addrlen"}},
    {"recvmsg", {"sockfd", "msg", "flags"}},
    {"renameat2", {"olddirfd", "oldpath", "newdirfd", "newpath", "flags"}},
    {"rseq", {"rseq", "rseq_len", "flags", "sig"}},
    {"sched_getaffinity", {"pid", "cpusetsize", "mask"}},
    {"sendmsg", {"sockfd", "msg", "flags"}},
    {"sendto", {"sockfd", "buf", "len", "flags", "dest_addr", "addrlen"}},
    {"setitimer", {"which", "new_value", "old_value"}},
    {"setsockopt", {"sockfd", "level", "optname", "optval", "optlen"}},
    {"socket", {"domain", "type", "protocol"}},
    {"symlinkat", {"target", "newdirfd", "linkpath"}},
    {"tgkill", {"tgid", "tid", "sig"}},
    {"truncate", {"path", "length"}},
    {"utimensat", {"dirfd", "pathname", "times", "flags"}},
    {"waitid", {"idtype", "id", "infop", "options", "usage"}},
};

const Signature* signature_of(std::string_view syscall) {
  for (const Signature& signature : kSignatures) {
    if (signature.syscall == syscall) return &signature;
  }
  return nullptr;
}

struct Named {
  std::string_view name;
  std::uint64_t value;
};

#define NAMED(constant) \
  { #constant, static_cast < std::uint64_t>(static_cast <std::int64_t>(constant)) }
// glibc hides these behind feature macros, gives them user-space values or does not know them yet; include/uapi/linux.
constexpr Named kKernelConstants[] = {
    {"O_LARGEFILE", 0100000}, {"F_DUPFD_CLOEXEC", 1030},        {"MADV_COLLAPSE", 25},      {"MAP_DROPPABLE", 0x08},
    {"IPPROTO_MPTCP", 262},   {"MSG_CMSG_CLOEXEC", 0x40000000}, {"PR_SET_VMA", 0x53564d41}, {"TCGETS2", 0x802c542a},
};
constexpr Named kConstants[] = {
    NAMED(PROT_NONE),
    NAMED(PROT_READ),
    NAMED(PROT_WRITE),
    NAMED(PROT_EXEC),
    NAMED(MAP_SHARED),
    NAMED(MAP_PRIVATE),
    NAMED(MAP_FIXED),
    NAMED(MAP_ANONYMOUS),
    NAMED(MAP_NORESERVE),
    NAMED(MAP_POPULATE),
    NAMED(MAP_STACK),
    NAMED(MAP_DENYWRITE),
    NAMED(MAP_FIXED_NOREPLACE),
    NAMED(MREMAP_MAYMOVE),
    NAMED(MADV_NORMAL),
    NAMED(MADV_RANDOM),
    NAMED(MADV_SEQUENTIAL),
    NAMED(MADV_WILLNEED),
    NAMED(MADV_DONTNEED),
    NAMED(MADV_FREE),
    NAMED(MADV_HUGEPAGE),
    NAMED(MADV_NOHUGEPAGE),
    NAMED(MADV_DONTDUMP),
    NAMED(MADV_DODUMP),
    NAMED(CLONE_VM),
    NAMED(CLONE_FS),
    NAMED(CLONE_FILES),
    NAMED(CLONE_SIGHAND),
    NAMED(CLONE_PIDFD),
    NAMED(CLONE_VFORK),
    NAMED(CLONE_THREAD),
    NAMED(CLONE_SYSVSEM),
    NAMED(CLONE_SETTLS),
    NAMED(CLONE_PARENT_SETTID),
    NAMED(CLONE_CHILD_CLEARTID),
    NAMED(CLONE_CHILD_SETTID),
    NAMED(SIGCHLD),
    NAMED(FUTEX_WAIT),
    NAMED(FUTEX_WAKE),
    NAMED(FUTEX_WAIT_PRIVATE),
    NAMED(FUTEX_WAKE_PRIVATE),
    NAMED(FUTEX_WAIT_BITSET),
    NAMED(FUTEX_WAIT_BITSET_PRIVATE),
    NAMED(FUTEX_WAKE_BITSET_PRIVATE),
    NAMED(FUTEX_CLOCK_REALTIME),
    NAMED(ARCH_SET_FS),
    NAMED(ARCH_GET_FS),
    NAMED(AT_FDCWD),
    NAMED(AT_SYMLINK_NOFOLLOW),
    NAMED(AT_EMPTY_PATH),
    NAMED(O_RDONLY),
    NAMED(O_WRONLY),
    NAMED(O_RDWR),
    NAMED(O_ACCMODE),
    NAMED(O_CREAT),
    NAMED(O_EXCL),
    NAMED(O_NOCTTY),
    NAMED(O_TRUNC),
    NAMED(O_APPEND),
    NAMED(O_NONBLOCK),
    NAMED(O_DSYNC),
    NAMED(O_SYNC),
    NAMED(O_DIRECTORY),
    NAMED(O_NOFOLLOW),
    NAMED(O_NOATIME),
    NAMED(O_CLOEXEC),
    NAMED(O_PATH),
    NAMED(F_DUPFD),
    NAMED(F_GETFD),
    NAMED(F_SETFD),
    NAMED(F_GETFL),
    NAMED(F_SETFL),
    NAMED(F_SETPIPE_SZ),
    NAMED(F_GETPIPE_SZ),
    NAMED(FD_CLOEXEC),
    NAMED(ITIMER_REAL),
    NAMED(ITIMER_VIRTUAL),
    NAMED(ITIMER_PROF),
    NAMED(RLIMIT_NOFILE),
    NAMED(RLIMIT_STACK),
    NAMED(TCGETS),
    NAMED(TIOCGWINSZ),
    NAMED(TIOCGPGRP),
    NAMED(FIONREAD),
    NAMED(FIOCLEX),
    NAMED(LOCK_SH),
    NAMED(LOCK_EX),
    NAMED(LOCK_NB),
    NAMED(LOCK_UN),
    NAMED(AF_INET),
    NAMED(AF_INET6),
    NAMED(SOCK_STREAM),
    NAMED(SOCK_DGRAM),
    NAMED(SOCK_NONBLOCK),
    NAMED(SOCK_CLOEXEC),
    NAMED(IPPROTO_IP),
    NAMED(IPPROTO_TCP),
    NAMED(IPPROTO_UDP),
    NAMED(IPPROTO_IPV6),
    NAMED(SOL_SOCKET),
    NAMED(SO_REUSEADDR),
    NAMED(SO_TYPE),
    NAMED(SO_ERROR),
    NAMED(SO_BROADCAST),
    NAMED(SO_SNDBUF),
    NAMED(SO_RCVBUF),
    NAMED(SO_KEEPALIVE),
    NAMED(SO_LINGER),
    NAMED(IPV6_V6ONLY),
    NAMED(TCP_NODELAY),
    NAMED(TCP_KEEPIDLE),
    NAMED(TCP_KEEPINTVL),
    NAMED(TCP_KEEPCNT),
    NAMED(MSG_NOSIGNAL),
    NAMED(MSG_PEEK),
};
#undef NAMED

}  // namespace

std::optional<unsigned> argument_index(std::string_view syscall, std::string_view name) {
  if (name.size() == 4 && name.substr(0, 3) == "arg" && name[3] >= '0' && name[3] <= '5') {
    // prctl's own arg2 to arg5 count from one, as its man page does.
    if (syscall != "prctl") return static_cast<unsigned>(name[3] - '0');
  }
  const Signature* signature = signature_of(syscall);
  if (signature == nullptr || name.empty()) return std::nullopt;
  for (unsigned i = 0; i < signature->arguments.size(); ++i) {
    if (signature->arguments[i] == name) return i;
  }
  return std::nullopt;
}

std::string argument_names(std::string_view syscall) {
  const Signature* signature = signature_of(syscall);
  if (signature == nullptr) return "arg0 to arg5";
  std::string names;
  for (std::string_view name : signature->arguments) {
    if (name.empty()) break;
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

std::optional<std::uint64_t> constant_value(std::string_view name) {
  for (const Named& constant : kKernelConstants) {
    if (constant.name == name) return constant.value;
  }
  for (const Named& constant : kConstants) {
    if (constant.name == name) return constant.value;
  }
  return std::nullopt;
}

std::optional<int> errno_value(std::string_view name) {
  for (int number = 1; number < 4096; ++number) {
    const char* known = ::strerrorname_np(number);
    if (known != nullptr && known == name) return number;
  }
  return std::nullopt;
}

}  // namespace sandbox_run::seccomp_profiles
