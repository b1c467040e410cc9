// launch-floor PROGRAM: what the kernel alone asks for a launch, as a yardstick for bench-launch. It does what no
// launcher with cgroups and fresh namespaces can leave out: a group with three limits in each hierarchy, the six
// namespaces, the program's copy in a sealed memory file, its exec, its end, and the removal of the groups. Nothing
// protects anybody here: no new root, no filter, no dropped privilege, no streams, no clock, no report.
//
// Raw calls in one thread beside the clone, all of it as early as it can be. Needs root. It is linked as sandbox-run
// is.
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr const char* kControllers[] = {"memory", "pids", "cpu", "cpuacct"};
constexpr struct {
  std::size_t controller;
  const char *file, *value;
} kLimits[] = {{0, "memory.limit_in_bytes", "335544320"}, {1, "pids.max", "65"}, {2, "cpu.cfs_quota_us", "100000"}};

// Shared with the clone, which has the same memory and a table of descriptors of its own.
struct Shared {
  int tasks[4];
  int go[2];  // a byte when the program's copy is complete
  int program;
  char* name;
};

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::_Exit(125);
}

int enter(void* argument) {
  const auto* shared = static_cast<const Shared*>(argument);
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0) ::_exit(125);
  for (const int tasks : shared->tasks)
    if (::write(tasks, "0", 1) != 1) ::_exit(125);
  char byte;
  if (::read(shared->go[0], &byte, 1) != 1) ::_exit(125);
  char* const argv[] = {shared->name, nullptr};
  char processors[] = "GOMAXPROCS=1";  // as sandbox-run exec says by default
  char* const environment[] = {processors, nullptr};
  ::syscall(SYS_execveat, shared->program, "", argv, environment, AT_EMPTY_PATH);
  ::_exit(125);
}

std::vector<std::string> make_groups(Shared& shared) {
  std::vector<std::string> groups;
  for (const char* controller : kControllers) {
    groups.push_back(std::string("/sys/fs/cgroup/") + controller + "/launch-floor-" + std::to_string(::getpid()));
    if (::mkdir(groups.back().c_str(), 0755) != 0) fail("launch-floor: mkdir in a v1 hierarchy");
    shared.tasks[groups.size() - 1] = ::open((groups.back() + "/tasks").c_str(), O_WRONLY | O_CLOEXEC);
  }
  for (const auto& limit : kLimits) {
    const int file = ::open((groups[limit.controller] + "/" + limit.file).c_str(), O_WRONLY | O_CLOEXEC);
    const std::string value = limit.value;
    if (::write(file, value.data(), value.size()) != static_cast<ssize_t>(value.size())) fail("launch-floor: limit");
    ::close(file);
  }
  return groups;
}

void copy_program(const char* path, int memory) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || ::fstat(file, &status) != 0) fail(path);
  for (off_t left = status.st_size; left > 0;) {
    const ssize_t sent = ::sendfile(memory, file, nullptr, static_cast<std::size_t>(left));
    if (sent <= 0) fail("launch-floor: copy");
    left -= sent;
  }
  ::fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: launch-floor PROGRAM\n", stderr), 125;
  static Shared shared;
  alignas(16) static char stack[16384];
  shared.name = argv[1];
  shared.program = ::memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  const std::vector<std::string> groups = make_groups(shared);
  if (::pipe2(shared.go, O_CLOEXEC) != 0) fail("launch-floor: pipe");
  const pid_t child = ::clone(enter, stack + sizeof stack, CLONE_VM | CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, &shared);
  if (child < 0) fail("launch-floor: clone");
  copy_program(argv[1], shared.program);
  if (::write(shared.go[1], "", 1) != 1) fail("launch-floor: go");
  int status = 0;
  if (::waitpid(child, &status, 0) != child) fail("launch-floor: wait");
  for (const std::string& group : groups)
    if (::rmdir(group.c_str()) != 0) fail("launch-floor: rmdir");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
