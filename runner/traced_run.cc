#include "runner/traced_run.h"

#include <fmt/format.h>
#include <limits.h>
#include <linux/audit.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "seccomp-profiles/filter.h"

namespace sandbox_run::runner {
namespace {

constexpr std::size_t kPage = 4096;

// The text at `address` in the thread's memory, which waits; nothing where it is none. Another thread may change it
// after this: it is a witness's word, never a decision. Page by page, for it may end before an unmapped one.
std::optional<std::string> text_at(std::int32_t thread, std::uint64_t address) {
  std::string text;
  while (text.size() < PATH_MAX) {
    char buffer[kPage];
    const std::size_t wanted = std::min<std::size_t>(kPage - (address + text.size()) % kPage, PATH_MAX - text.size());
    iovec ours{buffer, wanted};
    iovec theirs{reinterpret_cast<void*>(address + text.size()), wanted};
    const ssize_t got = ::process_vm_readv(thread, &ours, 1, &theirs, 1, 0);
    if (got <= 0) return std::nullopt;
    const std::size_t length = ::strnlen(buffer, static_cast<std::size_t>(got));
    text.append(buffer, length);
    if (length < static_cast<std::size_t>(got)) return text;
  }
  return text;
}

std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::string trace_socket(const std::string& state_directory, const std::string& id) {
  return fmt::format("{}/run/{}/trace.sock", state_directory, id);
}

Result<std::unique_ptr<TracedRun>> TracedRun::start(const hooks::RuleSet& rules, int program,
                                                    const std::string& control_socket, TraceProbes probes) {
  TRY(hooks::ProgramImage image, hooks::ProgramImage::map(program));
  TRY(hooks::Sites sites, hooks::read_sites(image));
  TRY(hooks::ControlPage control, hooks::ControlPage::create(rules));
  TRY(hooks::Ring ring, hooks::Ring::create());
  hooks::CollectorOptions options;
  options.witnessed_calls = hooks::explained_calls(rules);
  const bool watched = !options.witnessed_calls.empty();
  options.control_socket = control_socket;
  TRY(auto collector,
      hooks::Collector::start(std::move(options), rules, std::move(sites), std::move(control), std::move(ring)));
  std::unique_ptr<TracedRun> run(new TracedRun(std::move(image), std::move(collector), probes));
  run->witnesses_.push_back({"seccomp", watched, watched ? "" : "no rule explains a system call"});
  return run;
}

template <class Probe>
Result<std::optional<Probe>> TracedRun::attached(const std::string& name, Result<Probe> probe) {
  if (!probe && probes_ == TraceProbes::required)
    return host_error("--trace-probes require: no " + name + ": " + probe.error().what);
  witnesses_.push_back({name, probe.has_value(), probe ? "" : probe.error().what});
  if (!probe) return std::optional<Probe>();
  return std::optional<Probe>(std::move(probe).value());
}

Result<std::optional<hooks::HookProbe>> TracedRun::hook_probe_in(pid_t program, int executable) {
  TRY(const auto place, hooks::HookProbe::place(image_));
  if (place) return attached("uprobe", hooks::HookProbe::attach(program, executable, *place));
  // Required or not: there is nothing that it could see.
  witnesses_.push_back({"uprobe", false, "no hook is in the program: nothing in it reaches what the rules hook"});
  return std::optional<hooks::HookProbe>();
}

Status TracedRun::about_to_start(pid_t program, int executable) {
  if (probes_ == TraceProbes::off) {
    for (const char* name : {"uprobe", "tracepoint"}) witnesses_.push_back({name, false, "--trace-probes off"});
    collector_->begin(std::nullopt, std::nullopt);
    return {};
  }
  TRY(auto hook_probe, hook_probe_in(program, executable));
  TRY(auto call_probe, attached("tracepoint", hooks::CallProbe::attach(program)));
  collector_->begin(std::move(hook_probe), std::move(call_probe));
  return {};
}

Result<hooks::Trace> TracedRun::finish() {
  TRY(hooks::Trace trace, collector_->finish());
  trace.witnesses = std::move(witnesses_);
  if (trace.begun)
    for (hooks::CallPlace& one : trace.begun->places)
      one.name = seccomp_profiles::syscall_name(AUDIT_ARCH_X86_64, static_cast<int>(one.number));
  if (const auto table = hooks::LineTable::of(image_)) hooks::place_stacks(*table, trace);
  return trace;
}

void TracedRun::give_descriptors(launch::Program& program) const {
  program.descriptors = {collector_->control_fd(), collector_->ring_fd()};
}

void TracedRun::handed_over(const launch::HandedOverCall& call) {
  hooks::WitnessedCall witnessed;
  witnessed.thread = call.thread;
  witnessed.number = call.data.nr;
  std::copy(std::begin(call.data.args), std::end(call.data.args), witnessed.arguments.begin());
  witnessed.instruction_pointer = call.data.instruction_pointer;
  witnessed.time_ns = monotonic_ns();
  witnessed.denied = call.denied;
  if (const auto argument = hooks::path_argument(call.data.nr))
    witnessed.path = text_at(call.thread, call.data.args[*argument]);
  collector_->witness(witnessed);
}

}  // namespace sandbox_run::runner
