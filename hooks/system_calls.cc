// The system calls that rules may explain: those by which a program touches something outside itself. Calls that a
// program makes all the time for its own sake (read, futex, mmap) are not here: witnessing them costs more than it
// tells.
#include "hooks/system_calls.h"

#include <sys/syscall.h>

#include "hooks/near_name.h"
#include "hooks/trace.h"

namespace sandbox_run::hooks {
namespace {

struct Call {
  std::string_view name;
  int number;
  int path;  // which argument points to the path; -1: none
};

#define CALL(name, path) \
  { #name, SYS_##name, path }
constexpr Call kCalls[] = {
    // files
    CALL(open, 0),
    CALL(openat, 1),
    CALL(openat2, 1),
    CALL(creat, 0),
    CALL(stat, 0),
    CALL(lstat, 0),
    CALL(newfstatat, 1),
    CALL(statx, 1),
    CALL(access, 0),
    CALL(faccessat, 1),
    CALL(faccessat2, 1),
    CALL(readlink, 0),
    CALL(readlinkat, 1),
    CALL(truncate, 0),
    CALL(rename, 0),
    CALL(renameat, 1),
    CALL(renameat2, 1),
    CALL(mkdir, 0),
    CALL(mkdirat, 1),
    CALL(rmdir, 0),
    CALL(unlink, 0),
    CALL(unlinkat, 1),
    CALL(link, 0),
    CALL(linkat, 1),
    CALL(symlink, 1),
    CALL(symlinkat, 2),
    CALL(chmod, 0),
    CALL(fchmodat, 1),
    {"fchmodat2", 452, 1},
    CALL(chown, 0),
    CALL(lchown, 0),
    CALL(fchownat, 1),
    CALL(utimensat, 1),
    CALL(mknod, 0),
    CALL(mknodat, 1),
    CALL(chdir, 0),
    CALL(chroot, 0),
    CALL(getdents64, -1),
    CALL(fchmod, -1),
    CALL(fchown, -1),
    CALL(ftruncate, -1),
    CALL(fsync, -1),
    CALL(memfd_create, -1),
    CALL(copy_file_range, -1),
    CALL(sendfile, -1),
    CALL(mount, 1),
    CALL(umount2, 0),
    CALL(setxattr, 0),
    CALL(getxattr, 0),
    CALL(statfs, 0),
    // processes
    CALL(execve, 0),
    CALL(execveat, 1),
    CALL(fork, -1),
    CALL(vfork, -1),
    CALL(clone, -1),
    CALL(clone3, -1),
    CALL(kill, -1),
    CALL(tkill, -1),
    CALL(tgkill, -1),
    CALL(wait4, -1),
    CALL(waitid, -1),
    CALL(ptrace, -1),
    CALL(pidfd_open, -1),
    CALL(pidfd_send_signal, -1),
    CALL(process_vm_readv, -1),
    CALL(process_vm_writev, -1),
    CALL(setuid, -1),
    CALL(setgid, -1),
    CALL(prctl, -1),
    CALL(prlimit64, -1),
    CALL(seccomp, -1),
    CALL(bpf, -1),
    // net
    CALL(socket, -1),
    CALL(socketpair, -1),
    CALL(connect, -1),
    CALL(bind, -1),
    CALL(listen, -1),
    CALL(accept, -1),
    CALL(accept4, -1),
    CALL(sendto, -1),
    CALL(sendmsg, -1),
    CALL(recvfrom, -1),
    CALL(recvmsg, -1),
    CALL(setsockopt, -1),
    CALL(shutdown, -1)};
#undef CALL

}  // namespace

std::string call_name(int number) {
  for (const Call& call : kCalls)
    if (call.number == number) return std::string(call.name);
  return "syscall " + std::to_string(number);
}

std::optional<int> call_number(std::string_view name) {
  for (const Call& call : kCalls)
    if (call.name == name) return call.number;
  return std::nullopt;
}

std::optional<int> path_argument(int number) {
  for (const Call& call : kCalls)
    if (call.number == number && call.path >= 0) return call.path;
  return std::nullopt;
}

std::string near_call(std::string_view name) {
  std::vector<std::string> names;
  for (const Call& call : kCalls) names.emplace_back(call.name);
  return near_name(name, names);
}

}  // namespace sandbox_run::hooks
