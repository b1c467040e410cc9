#include "cgroups/group_directory.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "base/units.h"

namespace sandbox_run::cgroups {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

// A SIGKILLed task leaves its group within microseconds unless it sleeps uninterruptibly in the kernel (a dead disk);
// after this long, saying so beats waiting.
constexpr std::chrono::seconds kPatience{10};

// Sleeps a little longer each time, 20 µs to 2 ms, until kPatience is over.
class Backoff {
 public:
  bool wait() {
    if (Clock::now() >= end_) return false;
    std::this_thread::sleep_for(pause_);
    pause_ = std::min(pause_ * 2, microseconds(2000));
    return true;
  }

 private:
  Clock::time_point end_ = Clock::now() + kPatience;
  microseconds pause_{20};
};

// The start of cgroup.procs, whole lines only. Opened afresh each time: v1 caches the list of an open file for a
// second (cgroup_pidlist_start in kernel/cgroup/cgroup-v1.c).
Result<std::vector<pid_t>> members(const GroupDirectory& group) {
  TRY(const ControlFile file, ControlFile::open(group.fd.get(), group.path, "cgroup.procs", O_RDONLY));
  char buffer[8192];
  const ssize_t got = ::pread(file.fd(), buffer, sizeof buffer, 0);
  // A directory that another supervisor removed meanwhile has no members.
  if (got < 0 && errno == ENODEV) return std::vector<pid_t>{};
  if (got < 0) return cgroup_error(errno, "read " + file.path());
  std::vector<pid_t> pids;
  const char* at = buffer;
  const char* const end = buffer + got;
  for (;;) {
    const char* const newline = std::find(at, end, '\n');
    if (newline == end) break;
    pid_t pid = 0;
    std::from_chars(at, newline, pid);
    // Processes of a foreign pid namespace read as 0, and kill(0) would be ourselves.
    if (pid > 0) pids.push_back(pid);
    at = newline + 1;
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

// A pid from the list may be dead and taken again when the signal arrives. So: list, pidfds, list again; a process
// that is alive behind its pidfd and whose pid is in the second list too is a member.
Result<bool> kill_once(const GroupDirectory& group) {
  TRY(const std::vector<pid_t> first, members(group));
  if (first.empty()) return false;
  std::vector<UniqueFd> handles(first.size());
  for (std::size_t i = 0; i < first.size(); ++i)
    handles[i].reset(static_cast<int>(::syscall(SYS_pidfd_open, first[i], 0)));
  TRY(const std::vector<pid_t> second, members(group));
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (!handles[i] || !std::binary_search(second.begin(), second.end(), first[i])) continue;
    if (::syscall(SYS_pidfd_send_signal, handles[i].get(), SIGKILL, nullptr, 0) != 0 && errno != ESRCH)
      return cgroup_error(errno, "kill process " + std::to_string(first[i]) + " of " + group.path);
  }
  return true;
}

Status wait_unpopulated(const GroupDirectory& group) {
  TRY(const ControlFile events, ControlFile::open(group.fd.get(), group.path, "cgroup.events", O_RDONLY));
  const Clock::time_point end = Clock::now() + kPatience;
  for (;;) {
    TRY(const std::uint64_t populated, events.value_of("populated"));
    if (populated == 0) return {};
    if (Clock::now() >= end)
      return host_error(
          "cgroup: processes of " + group.path +
          " outlive SIGKILL; one sleeps in the kernel (state D in ps), look for a dead disk or NFS server");
    // cgroup.events raises POLLPRI when `populated` changes. A change between read and poll is kept for us.
    pollfd poll_fd{events.fd(), POLLPRI, 0};
    ::poll(&poll_fd, 1, 20);
  }
}

}  // namespace

Result<GroupDirectory> make_group(const std::string& parent, const std::string& name, const KernelInstead& kernel) {
  GroupDirectory group;
  group.path = parent + "/" + name;
  if (::mkdir(group.path.c_str(), 0755) != 0) return cgroup_error(errno, "create " + group.path);
  if (kernel.after_mkdir) kernel.after_mkdir(group.path);
  group.fd.reset(::open(group.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!group.fd) {
    const int why = errno;
    if (kernel.before_rmdir) kernel.before_rmdir(group.path);
    ::rmdir(group.path.c_str());
    return cgroup_error(why, "open " + group.path);
  }
  return group;
}

Result<GroupDirectory> make_or_open_group(const std::string& parent, const std::string& name,
                                          const KernelInstead& kernel) {
  GroupDirectory group;
  group.path = parent + "/" + name;
  group.fd.reset(::open(group.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (group.fd) return group;
  if (errno != ENOENT) return cgroup_error(errno, "open " + group.path);
  auto made = make_group(parent, name, kernel);
  if (made || made.error().sys_errno != EEXIST) return made;
  // Another supervisor made it in between.
  group.fd.reset(::open(group.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!group.fd) return cgroup_error(errno, "open " + group.path);
  return group;
}

Status remove_group(const GroupDirectory& group, const KernelInstead& kernel) {
  if (kernel.before_rmdir) kernel.before_rmdir(group.path);
  Backoff backoff;
  while (::rmdir(group.path.c_str()) != 0) {
    if (errno == ENOENT) return {};
    if (errno != EBUSY) return cgroup_error(errno, "remove " + group.path);
    if (!backoff.wait())
      return host_error(EBUSY, "cgroup: cannot remove " + group.path + ", in which processes or groups still stand");
    if (auto killed = kill_once(group); !killed) return std::move(killed).error();
  }
  return {};
}

Status kill_members(const std::vector<const GroupDirectory*>& groups) {
  Backoff backoff;
  for (;;) {
    bool any = false;
    for (const GroupDirectory* group : groups) {
      TRY(const bool some, kill_once(*group));
      any = any || some;
    }
    if (!any) return {};
    if (!backoff.wait())
      return host_error(
          "cgroup: processes of " + groups.front()->path +
          " outlive SIGKILL; one sleeps in the kernel (state D in ps), look for a dead disk or NFS server");
  }
}

Status kill_v2_group(const GroupDirectory& group) {
  TRY(const ControlFile kill, ControlFile::open_if_present(group.fd.get(), group.path, "cgroup.kill", O_WRONLY));
  if (!kill) return kill_members({&group});
  TRY_STATUS(kill.write("1"));
  return wait_unpopulated(group);
}

}  // namespace sandbox_run::cgroups
