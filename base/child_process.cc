#include "base/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace sandbox_run {
namespace {

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const ChildCommand& command, const std::string& purpose) {
  std::vector<std::string> words = {command.program};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  std::vector<std::string> environment = command.environment;
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  auto become = [&actions](int fd, int target, int mode) {
    if (fd >= 0) ::posix_spawn_file_actions_adddup2(&actions, fd, target);
    if (fd < 0) ::posix_spawn_file_actions_addopen(&actions, target, "/dev/null", mode, 0);
  };
  become(command.input, 0, O_RDONLY);
  become(command.output, 1, O_WRONLY);
  become(-1, 2, O_WRONLY);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  ::posix_spawn_file_actions_addchdir_np(&actions, "/");
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, command.program.c_str(), &actions, &attributes, pointers_to(words).data(),
                                   pointers_to(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) return host_error(error, "cannot start " + purpose + " " + command.program);
  return ChildProcess(pid);
}

int ChildProcess::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

int ChildProcess::end() {
  if (pid_ < 0) return 0;
  ::kill(-pid_, SIGKILL);  // its group: what it has started too, which would otherwise stay behind
  return wait();
}

Result<std::size_t> read_before(std::chrono::steady_clock::time_point deadline, int fd, char* buffer, std::size_t size,
                                const std::string& name) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return host_error(ETIMEDOUT, name + " says nothing");
    pollfd ready{fd, POLLIN, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, 1'000'000)));
    if (count < 0 && errno != EINTR) return host_error(errno, "cannot wait for " + name);
    if (count <= 0) continue;
    const ssize_t got = ::read(fd, buffer, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return host_error(errno, "cannot read from " + name);
  }
}

}  // namespace sandbox_run
