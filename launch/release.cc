// The pause: its reception, which is the end of prepare(), and start(), in which it becomes the program's exec.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/files.h"
#include "launch/denials.h"
#include "launch/live_sandbox.h"
#include "launch/steps_error.h"

namespace sandbox_run::launch {
namespace {

constexpr Bytes kMostProgramBytes{1u << 30};
constexpr int kPauseTimeoutMilliseconds = 30'000;

Status injected(const Plan& plan, Step step) {
  if (plan.fail.step != facts_of(step).name) return {};
  return step_error(step, plan.fail.error, "injected");
}

Status wait_for_notification(const LiveSandbox& sandbox) {
  pollfd entries[2] = {{sandbox.listener.get(), POLLIN, 0}, {sandbox.init.get(), POLLIN, 0}};
  int ready;
  do ready = ::poll(entries, 2, kPauseTimeoutMilliseconds);
  while (ready < 0 && errno == EINTR);
  if ((entries[0].revents & POLLIN) != 0) return {};
  if (ready == 0) return step_error(Step::program_pause, ETIMEDOUT, "pid 2 does not come to its exec");
  return step_error(Step::program_pause, ESRCH, "the sandbox died before its program started");
}

// The notification of the paused call. A call before it is our own (a wake-up that the profile does not allow).
Result<seccomp_notif> receive_pause(const LiveSandbox& sandbox) {
  TRY_STATUS(injected(sandbox.plan, Step::program_pause));
  for (;;) {
    TRY_STATUS(wait_for_notification(sandbox));
    seccomp_notif request{};
    if (::ioctl(sandbox.listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
      if (errno == ENOENT || errno == EINTR) continue;
      return step_error(Step::program_pause, errno, "receiving it");
    }
    if (static_cast<std::uint32_t>(request.data.nr) == sandbox.exchange.get()->pause_number) return request;
    seccomp_notif_resp answer{};
    answer.id = request.id;
    (void)listener_ioctl(sandbox.listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);  // fails where it died: seen above
  }
}

Status add_descriptor(const LiveSandbox& sandbox, std::uint64_t id, int ours, int theirs, unsigned flags) {
  seccomp_notif_addfd request{};
  request.id = id;
  request.flags = SECCOMP_ADDFD_FLAG_SETFD;
  request.srcfd = static_cast<std::uint32_t>(ours);
  request.newfd = static_cast<std::uint32_t>(theirs);
  request.newfd_flags = flags;
  if (listener_ioctl(sandbox.listener.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &request) < 0)
    return step_error(Step::program_add, errno, "descriptor " + std::to_string(theirs));
  return {};
}

// What runs is never a file that somebody can still write to or that a path of the host leads to: a program that is no
// sealed memory file yet becomes one.
Result<UniqueFd> sealed_program(int executable) {
  constexpr int kNeeded = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
  const int seals = ::fcntl(executable, F_GET_SEALS);
  if (seals >= 0 && (seals & kNeeded) == kNeeded) {
    UniqueFd same(::fcntl(executable, F_DUPFD_CLOEXEC, 3));
    if (!same) return step_error(Step::program_add, errno, "the program");
    return same;
  }
  // By /proc: an O_PATH descriptor cannot be read, and a borrowed one has a position that is not ours to move.
  TRY(UniqueFd file, open_path("/proc/self/fd/" + std::to_string(executable), O_RDONLY));
  TRY(const std::string content, read_to_end(file.get(), kMostProgramBytes, "the program"));
  return sealed_memfd("program", content, true);
}

Status answer_pause(const LiveSandbox& sandbox, std::uint64_t id) {
  TRY_STATUS(injected(sandbox.plan, Step::program_continue));
  seccomp_notif_resp answer{};
  answer.id = id;
  // Another call than the exec itself is answered in its stead; the exec after it passes the filter.
  if (sandbox.exchange.get()->pause_number == SYS_execveat) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  if (listener_ioctl(sandbox.listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0)
    return step_error(Step::program_continue, errno, "");
  return {};
}

}  // namespace

Status settle(LiveSandbox& sandbox) {
  TRY(sandbox.pause, receive_pause(sandbox));
  // In the supervisor's own pid namespace; the task cannot be gone, for it stands in the call.
  sandbox.program.reset(static_cast<int>(::syscall(SYS_pidfd_open, sandbox.pause->pid, 0)));
  if (!sandbox.program) return step_error(Step::program_pause, errno, "pidfd of the program");
  if (!sandbox.cgroup) return {};
  TRY(sandbox.set_up_usage, sandbox.cgroup->cpu_usage());
  return sandbox.cgroup->begin();
}

bool is_paused(const LiveSandbox& sandbox) {
  pollfd entries[2] = {{sandbox.init.get(), POLLIN, 0}, {sandbox.program.get(), POLLIN, 0}};
  if (!sandbox.pause || ::poll(entries, 2, 0) != 0) return false;
  std::uint64_t id = sandbox.pause->id;
  return ::ioctl(sandbox.listener.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

Result<std::chrono::steady_clock::time_point> release_program(LiveSandbox& sandbox, const Program& program,
                                                              const Streams& streams, RunObserver* observer) {
  TRY_STATUS(injected(sandbox.plan, Step::program_arguments));
  if (program.descriptors.size() > kProgramDescriptor - kFirstGivenDescriptor)
    return self_error("more descriptors for a program than its launch can number");
  if (program.argv.empty()) return input_error("a program needs at least argv[0]");
  auto written = sandbox.exchange.write_program(program.argv, program.environment);
  if (!written) return in_step(Step::program_arguments, std::move(written).error());
  TRY(sandbox.executable, sealed_program(program.executable));
  const std::uint64_t call = sandbox.pause->id;
  TRY_STATUS(injected(sandbox.plan, Step::program_add));
  if (streams.merge) TRY_STATUS(add_descriptor(sandbox, call, sandbox.stdout_write.get(), STDERR_FILENO, 0));
  TRY_STATUS(add_descriptor(sandbox, call, sandbox.executable.get(), kProgramDescriptor, O_CLOEXEC));
  for (std::size_t i = 0; i < program.descriptors.size(); ++i)
    TRY_STATUS(add_descriptor(sandbox, call, program.descriptors[i], kFirstGivenDescriptor + static_cast<int>(i), 0));
  sandbox.stdout_write.reset();
  if (observer != nullptr)
    TRY_STATUS(observer->about_to_start(static_cast<pid_t>(sandbox.pause->pid), sandbox.executable.get()));
  sandbox.pause.reset();
  const auto start = std::chrono::steady_clock::now();
  TRY_STATUS(answer_pause(sandbox, call));
  return start;
}

}  // namespace sandbox_run::launch
