// Theory of operation. Three processes: we, an init (pid 1 of a new PID namespace) and the program (pid 2). The program
// loads the filter itself and from then on cannot send its listener anywhere, so init, which shares its descriptor
// table until the exec, sends it to us. We answer notifications until the program is gone, then init tells its status.
#include "seccomp-profiles/testing/supervise.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>

#include "base/unique_fd.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace sandbox_run::seccomp_profiles::testing {
namespace {

struct Shared {
  std::atomic<int> listener{-1};
  std::atomic<int> error{0};
};

[[noreturn]] void be_program(const Filter& filter, const std::vector<char*>& argv, Shared& shared, int output) {
  if (output >= 0) {
    dup2(output, 1);
    dup2(output, 2);
  }
  sock_fprog program{static_cast<unsigned short>(filter.program.size()),
                     const_cast<sock_filter*>(filter.program.data())};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  constexpr unsigned long kFlags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  const long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kFlags, &program);
  if (listener < 0) {
    shared.error = errno;
    _exit(127);
  }
  shared.listener = static_cast<int>(listener);
  execv(argv[0], argv.data());
  _exit(127);
}

void send_fd(int socket, int fd) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  sendmsg(socket, &message, MSG_NOSIGNAL);
}

UniqueFd receive_fd(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) return UniqueFd();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return UniqueFd();
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

void write_text(const char* path, const std::string& text) {
  const UniqueFd fd(open(path, O_WRONLY | O_CLOEXEC));
  if (!fd || write(fd.get(), text.data(), text.size()) < 0) std::perror(path);
}

[[noreturn]] void be_init(const Filter& filter, const std::vector<char*>& argv, Shared& shared, int socket, int output,
                          uid_t uid, gid_t gid) {
  if (uid != 0) {
    // In a new user namespace an id without a map can own no file.
    write_text("/proc/self/setgroups", "deny");
    write_text("/proc/self/uid_map", std::to_string(uid) + " " + std::to_string(uid) + " 1");
    write_text("/proc/self/gid_map", std::to_string(gid) + " " + std::to_string(gid) + " 1");
  }
  const long program = syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (program == 0) be_program(filter, argv, shared, output);
  while (shared.listener < 0 && shared.error == 0) usleep(200);
  if (shared.error != 0) _exit(1);
  send_fd(socket, shared.listener);
  close(shared.listener);
  int status = 0;
  pid_t ended = 0;
  // Orphans of the program come to us first.
  do ended = waitpid(-1, &status, 0);
  while (ended != program && ended > 0);
  send(socket, &status, sizeof status, MSG_NOSIGNAL);
  _exit(0);
}

bool is_exec(const seccomp_data& data) { return data.nr == SYS_execve || data.nr == SYS_execveat; }

void record(SupervisedRun& run, const seccomp_data& data) {
  for (DeniedCall& call : run.denied) {
    if (call.data.nr == data.nr && call.data.arch == data.arch && call.data.args[0] == data.args[0]) {
      ++call.count;
      return;
    }
  }
  run.denied.push_back({data, 1});
}

Status answer_notifications(int listener, const SuperviseOptions& options, SupervisedRun& run) {
  bool started = !options.exec_once;
  const auto deadline = std::chrono::steady_clock::now() + options.patience;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd poll_fd{listener, POLLIN, 0};
    const int ready = poll(&poll_fd, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready == 0) return input_error("the supervised program did not end in time");
    if (ready < 0 || (poll_fd.revents & POLLIN) == 0) return {};  // POLLHUP: nobody is left under the filter
    seccomp_notif request{};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) continue;  // killed meanwhile
    seccomp_notif_resp response{};
    response.id = request.id;
    if (is_exec(request.data) && !started) {
      started = true;
      response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    } else {
      record(run, request.data);
      response.error = -EPERM;
    }
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
  }
}

}  // namespace

std::string SupervisedRun::describe_denied() const {
  std::string text;
  for (const DeniedCall& call : denied) {
    std::string name = syscall_name(call.data.arch, call.data.nr);
    if (name.empty()) name = arch_name(call.data.arch, call.data.nr) + "#" + std::to_string(call.data.nr);
    char arguments[160];
    std::snprintf(arguments, sizeof arguments, "(0x%llx, 0x%llx, 0x%llx, 0x%llx, 0x%llx, 0x%llx) x%d\n",
                  call.data.args[0], call.data.args[1], call.data.args[2], call.data.args[3], call.data.args[4],
                  call.data.args[5], call.count);
    text += name + arguments;
  }
  return text;
}

Result<SupervisedRun> supervise(const Filter& filter, const std::vector<std::string>& argv,
                                const SuperviseOptions& options) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return host_error(errno, "socketpair");
  const UniqueFd ours(sockets[0]);
  UniqueFd theirs(sockets[1]);
  void* page = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return host_error(errno, "mmap");
  auto* shared = new (page) Shared;
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  const unsigned long namespaces = CLONE_NEWPID | (uid == 0 ? 0 : CLONE_NEWUSER);
  const long init = syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (init < 0) return host_error(errno, "clone into a PID namespace");
  if (init == 0) be_init(filter, arguments, *shared, theirs.get(), options.output_fd, uid, gid);
  theirs.reset();

  SupervisedRun run;
  Status status;
  const UniqueFd listener = receive_fd(ours.get());
  if (!listener) {
    status = host_error(shared->error, "cannot load the filter with a listener");
  } else {
    status = answer_notifications(listener.get(), options, run);
    if (status && recv(ours.get(), &run.wait_status, sizeof run.wait_status, 0) != sizeof run.wait_status) {
      status = self_error("init did not tell how the program ended");
    }
  }
  kill(static_cast<pid_t>(init), SIGKILL);
  waitpid(static_cast<pid_t>(init), nullptr, 0);
  munmap(page, sizeof(Shared));
  if (!status) return std::move(status).error();
  return run;
}

}  // namespace sandbox_run::seccomp_profiles::testing
