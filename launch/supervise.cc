// Theory of operation. One thread, one ppoll loop, nothing that blocks: denied calls, the three streams, init's status,
// its death, the cancel descriptor and three clocks are served in turn. CPU time is not polled at a fixed rate: the
// next look is when the limit could be reached at the earliest (what is left, divided by the processors), so a run has
// a dozen looks and ends within a millisecond or two of its limit. A reason is recorded before anything is killed, and
// the first one stays. Killing pid 1 kills its namespace; its death is therefore the death of all.
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>

#include "launch/denials.h"
#include "launch/live_sandbox.h"
#include "launch/pumps.h"
#include "launch/scratch_scan.h"
#include "launch/steps_error.h"

namespace sandbox_run::launch {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr microseconds kShortestLook{1000};
constexpr milliseconds kDyingLook{100};
constexpr milliseconds kMemoryLookShortest{5}, kMemoryLookLongest{100};
constexpr std::uint64_t kMemoryFarAway = 256u << 20;  // from the limit: the longest interval will do
constexpr std::chrono::seconds kCancelGrace{2};
constexpr std::chrono::seconds kStuckReaderGrace{1};  // after a run that we ended ourselves

// In force is what every one of its rows did; a row that failed wrote its errno.
std::vector<std::string> hardening_in_force(const LiveSandbox& sandbox) {
  std::vector<std::string> in_force;
  for (const Hardening& hardening : kHardenings) {
    bool any = false, all = true;
    for (std::size_t row = 0; row < sandbox.rows.size(); ++row) {
      if (hardening_of(sandbox.rows[row].step) != &hardening) continue;
      any = true;
      all &= sandbox.exchange.rows()[row].result == 0;
    }
    if (any && all) in_force.emplace_back(hardening.name);
  }
  return in_force;
}

std::uint64_t bytes_in_use(const UniqueFd& file_system) {
  struct statfs room {};
  if (!file_system || ::fstatfs(file_system.get(), &room) != 0) return 0;
  return (room.f_blocks - room.f_bfree) * static_cast<std::uint64_t>(room.f_bsize);
}

class Supervision {
 public:
  Supervision(LiveSandbox& sandbox, const Streams& streams, Clock::time_point start, int cancel_fd,
              RunObserver* observer)
      : sandbox_(sandbox),
        plan_(sandbox.plan),
        start_(start),
        cancel_fd_(cancel_fd),
        budget_(plan_.output.count),
        denials_(sandbox.listener.get(), plan_.on_denied, plan_.watched, observer, start),
        output_(std::move(sandbox.stdout_read), streams.output, streams.capture),
        error_(std::move(sandbox.stderr_read), streams.error, streams.capture),
        input_(std::move(sandbox.stdin_write), streams.input),
        next_cpu_look_(start),
        next_memory_look_(start + kMemoryLookShortest) {}

  Result<Facts> run();

 private:
  void end(EndedBySupervisor reason);
  Clock::time_point next_deadline() const;
  void wait_for_events();
  void serve_cancel();
  void serve_denials();
  void serve_output(OutputPump& pump);
  void take_status();
  void use_last_moment();
  void look_at_clocks();
  void end_unwatched(const Error& error);
  void look_at_cpu_time(Clock::time_point now);
  std::uint64_t files_in_use() const;
  void look_at_memory(Clock::time_point now);
  void step();
  void drain();
  Status collect(Facts& facts);
  bool reached_file_size(const std::optional<ProgramStatus>& status) const;

  LiveSandbox& sandbox_;
  const Plan& plan_;
  Clock::time_point start_;
  int cancel_fd_;
  std::uint64_t budget_;
  Denials denials_;
  OutputPump output_, error_;
  InputPump input_;
  Clock::time_point next_cpu_look_, next_memory_look_;
  std::optional<Clock::time_point> cancel_deadline_;
  EndedBySupervisor ended_ = EndedBySupervisor::none;
  int cancel_signal_ = 0;
  bool listener_open_ = true, status_open_ = true, killed_ = false, dead_ = false;
  std::optional<StatusRecord> status_;
  std::vector<std::string> hardening_;
  std::optional<Error> failure_;  // ours: the run's facts would be wrong
  std::vector<pollfd> entries_;
};

void Supervision::end(EndedBySupervisor reason) {
  if (ended_ == EndedBySupervisor::none) ended_ = reason;
  killed_ = true;
  sandbox_.init.kill();
}

Clock::time_point Supervision::next_deadline() const {
  // Its limits are behind it: what is waited for is init's death alone.
  if (killed_ || status_) return Clock::now() + kDyingLook;
  Clock::time_point next = start_ + plan_.wall_time.value;
  if (sandbox_.cgroup) next = std::min(next, next_cpu_look_);
  if (sandbox_.cgroup && plan_.scratch.count != 0) next = std::min(next, next_memory_look_);
  if (cancel_deadline_) next = std::min(next, *cancel_deadline_);
  return next;
}

void Supervision::wait_for_events() {
  entries_.clear();
  entries_.push_back({sandbox_.init.get(), POLLIN, 0});
  entries_.push_back({cancel_fd_, POLLIN, 0});
  entries_.push_back({listener_open_ ? sandbox_.listener.get() : -1, POLLIN, 0});
  entries_.push_back({status_open_ ? sandbox_.status.get() : -1, POLLIN, 0});
  output_.add_poll(entries_);
  error_.add_poll(entries_);
  input_.add_poll(entries_);
  const auto left = std::max<Clock::duration>(next_deadline() - Clock::now(), Clock::duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec timeout{seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
  if (::ppoll(entries_.data(), entries_.size(), &timeout, nullptr) < 0 && errno != EINTR && !failure_) {
    failure_ = host_error(errno, "cannot wait for the sandbox");
    end(EndedBySupervisor::none);
  }
}

// The first signal is the program's own affair, as in a shell; a second one, or two seconds, end the run.
void Supervision::serve_cancel() {
  signalfd_siginfo info{};
  pollfd entry{cancel_fd_, POLLIN, 0};
  if (cancel_fd_ < 0 || ::poll(&entry, 1, 0) != 1) return;
  if (::read(cancel_fd_, &info, sizeof info) != sizeof info) {
    cancel_fd_ = -1;
    return;
  }
  if (plan_.cancel_at_once || cancel_deadline_ || dead_) return end(EndedBySupervisor::canceled);
  cancel_signal_ = static_cast<int>(info.ssi_signo);
  cancel_deadline_ = Clock::now() + kCancelGrace;
  ::syscall(SYS_pidfd_send_signal, sandbox_.program.get(), cancel_signal_, nullptr, 0);
}

void Supervision::serve_denials() {
  if (!listener_open_) return;
  if (const EndedBySupervisor reason = denials_.serve(); reason != EndedBySupervisor::none) end(reason);
}

void Supervision::serve_output(OutputPump& pump) {
  switch (pump.serve(budget_)) {
    case OutputPump::Event::none:
      return;
    case OutputPump::Event::over_budget:
      return end(EndedBySupervisor::output);
    case OutputPump::Event::sink_failed:
      if (!failure_) failure_ = host_error(pump.sink_errno(), "cannot pass on what the program writes");
      return end(EndedBySupervisor::none);
  }
}

void Supervision::take_status() {
  if (!status_open_) return;
  StatusRecord record{};
  const ssize_t got = ::read(sandbox_.status.get(), &record, sizeof record);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  status_open_ = false;
  if (got == sizeof record && record.magic == StatusRecord::kMagic) status_ = record;
  if (status_) use_last_moment();
}

// Pid 2 is dead, and init's own end takes a while (its mount namespace goes with it): what needs neither the cgroup nor
// init is done in that time. Freeing a program's pages takes a tenth of a millisecond for each megabyte.
void Supervision::use_last_moment() {
  sandbox_.executable.reset();
  hardening_ = hardening_in_force(sandbox_);
}

// The group is removed by us alone, so a counter that cannot be read is a limit that nobody holds.
void Supervision::end_unwatched(const Error& error) {
  if (!failure_) failure_ = error;
  end(EndedBySupervisor::none);
}

void Supervision::look_at_cpu_time(Clock::time_point now) {
  const auto used = sandbox_.cgroup->cpu_time();
  if (!used) return end_unwatched(used.error());
  const microseconds left = plan_.cpu_time.value - (used->value - sandbox_.set_up_usage.cpu.value);
  if (left <= microseconds::zero()) return end(EndedBySupervisor::cpu_time);
  next_cpu_look_ = now + std::max(kShortestLook, left / sandbox_.host.processors);
}

// What files hold, which is on top of the program's memory. Its shared mappings are not, and the cgroup counts both as
// shared memory: only the file systems can tell.
std::uint64_t Supervision::files_in_use() const {
  std::uint64_t bytes = bytes_in_use(sandbox_.scratch);
  for (const UniqueFd& layers : sandbox_.layers) bytes += bytes_in_use(layers);
  return bytes;
}

// The kernel's own limit holds memory and scratch together; the program's share of it is held here.
void Supervision::look_at_memory(Clock::time_point now) {
  const std::uint64_t files_before = files_in_use();
  const auto all = sandbox_.cgroup->memory_now();
  if (!all) return end_unwatched(all.error());
  std::uint64_t used = all->count;
  // Files may go in between: what they held before was charged all the same.
  if (used > plan_.memory.count) used -= std::min(used, std::max(files_before, files_in_use()));
  if (used > plan_.memory.count) return end(EndedBySupervisor::memory);
  const double distance = static_cast<double>(std::min(plan_.memory.count - used, kMemoryFarAway));
  const auto interval = kMemoryLookLongest * (distance / static_cast<double>(kMemoryFarAway));
  next_memory_look_ =
      now + std::max<Clock::duration>(kMemoryLookShortest, std::chrono::duration_cast<Clock::duration>(interval));
}

// CPU before wall: after a stop of the supervisor both may be over, and the cgroup's counter is the harder fact.
void Supervision::look_at_clocks() {
  const Clock::time_point now = Clock::now();
  if (sandbox_.cgroup && now >= next_cpu_look_) look_at_cpu_time(now);
  if (sandbox_.cgroup && plan_.scratch.count != 0 && now >= next_memory_look_) look_at_memory(now);
  if (now >= start_ + plan_.wall_time.value) end(EndedBySupervisor::wall_time);
  if (cancel_deadline_ && now >= *cancel_deadline_) end(EndedBySupervisor::canceled);
}

void Supervision::step() {
  wait_for_events();
  const bool init_is_dead = (entries_[0].revents & POLLIN) != 0;
  if ((entries_[2].revents & POLLHUP) != 0 && (entries_[2].revents & POLLIN) == 0) listener_open_ = false;
  serve_cancel();
  serve_denials();
  serve_output(output_);
  serve_output(error_);
  input_.serve();
  take_status();
  if (init_is_dead) {
    dead_ = true;
    return;
  }
  if (!status_ && !killed_) look_at_clocks();
}

// All are dead: what they wrote is passed on. A reader that is slow has all the time it wants, as in a shell, unless we
// ended the run: then what it does not take within a moment is dropped.
void Supervision::drain() {
  take_status();
  input_.close();
  auto patience = Clock::now() + kStuckReaderGrace;
  for (;;) {
    const std::size_t before = output_.pending() + error_.pending();
    serve_output(output_);
    serve_output(error_);
    if (output_.done() && error_.done()) return;
    if (output_.pending() + error_.pending() != before) patience = Clock::now() + kStuckReaderGrace;
    if (ended_ == EndedBySupervisor::canceled || (ended_ != EndedBySupervisor::none && Clock::now() > patience)) {
      // A reader may take what is there at once, but is not waited for.
      output_.abandon();
      error_.abandon();
      return;
    }
    entries_.clear();
    entries_.push_back({cancel_fd_, POLLIN, 0});
    output_.add_poll(entries_);
    error_.add_poll(entries_);
    ::poll(entries_.data(), entries_.size(), 100);
    serve_cancel();
  }
}

Status Supervision::collect(Facts& facts) {
  rusage usage{};
  sandbox_.init.reap(&usage);
  if (sandbox_.scratch) {
    struct statfs room {};
    if (::fstatfs(sandbox_.scratch.get(), &room) == 0) facts.scratch_full = room.f_bavail == 0 || room.f_ffree == 0;
  }
  if (!sandbox_.cgroup) {
    auto time = [](const timeval& value) { return std::chrono::seconds(value.tv_sec) + microseconds(value.tv_usec); };
    facts.usage.user.value = time(usage.ru_utime);
    facts.usage.system.value = time(usage.ru_stime);
    facts.usage.cpu.value = facts.usage.user.value + facts.usage.system.value;
    facts.usage.memory_peak = Bytes{static_cast<std::uint64_t>(usage.ru_maxrss) << 10};
    return {};
  }
  TRY_STATUS(sandbox_.cgroup->kill());
  TRY(facts.usage, sandbox_.cgroup->usage());
  const cgroups::CpuUsage& before = sandbox_.set_up_usage;
  facts.usage.cpu.value -= before.cpu.value;
  facts.usage.user.value = std::max(facts.usage.user.value - before.user.value, microseconds::zero());
  facts.usage.system.value = std::max(facts.usage.system.value - before.system.value, microseconds::zero());
  if (facts.usage.processes_peak > 0) --facts.usage.processes_peak;  // init
  TRY_STATUS(sandbox_.cgroup->remove());
  return {};
}

// After a good end nobody looks: it would cost every run a walk to learn what changes no verdict.
bool Supervision::reached_file_size(const std::optional<ProgramStatus>& status) const {
  if (!status || (status->exited && status->exit_code == 0)) return false;
  if (!status->exited && status->signal == SIGXFSZ) return true;
  return sandbox_.scratch && has_file_of_size(sandbox_.scratch.get(), plan_.rlimits.file_size);
}

ProgramStatus program_status(const StatusRecord& record) {
  ProgramStatus status;
  status.exited = record.code == CLD_EXITED;
  if (status.exited) {
    status.exit_code = record.status;
  } else {
    status.signal = record.status;
  }
  return status;
}

Result<Facts> Supervision::run() {
  while (!dead_) step();
  Facts facts;
  const Clock::time_point dead_at = Clock::now();
  facts.wall_time = std::chrono::duration_cast<microseconds>(dead_at - start_);
  drain();
  TRY_STATUS(collect(facts));
  if (failure_) return *failure_;
  if (const int error = sandbox_.exchange.get()->exec_errno; error != 0 && ended_ == EndedBySupervisor::none)
    return step_error(Step::program_exec, error, "the program");
  if (status_) facts.status = program_status(*status_);
  // Dying of the signal that was passed on is being canceled; going on to an exit of its own is not.
  if (ended_ == EndedBySupervisor::none && cancel_signal_ != 0 && facts.status && !facts.status->exited &&
      facts.status->signal == cancel_signal_)
    ended_ = EndedBySupervisor::canceled;
  facts.ended = ended_;
  facts.cancel_signal = ended_ == EndedBySupervisor::canceled ? cancel_signal_ : 0;
  facts.file_size_hit = reached_file_size(facts.status);
  facts.stdout_stream = output_.take();
  facts.stderr_stream = error_.take();
  facts.denied = denials_.calls();
  facts.prepare_time = sandbox_.prepare_time;
  facts.cgroup_version = sandbox_.cgroup ? sandbox_.host.hierarchy->version() : 0;
  facts.network = gives_up(plan_, Wall::network)       ? "host"
                  : plan_.network == Network::loopback ? "loopback/fresh"
                                                       : "none/fresh";
  facts.weakened = plan_.weaken;
  facts.hardening = status_ ? std::move(hardening_) : hardening_in_force(sandbox_);
  facts.cleanup_time = std::chrono::duration_cast<microseconds>(Clock::now() - dead_at);
  return facts;
}

}  // namespace

Result<Facts> supervise(LiveSandbox& sandbox, const Streams& streams, Clock::time_point start, int cancel_fd,
                        RunObserver* observer) {
  return Supervision(sandbox, streams, start, cancel_fd, observer).run();
}

}  // namespace sandbox_run::launch
