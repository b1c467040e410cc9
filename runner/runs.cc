#include "runner/runs.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/sha256.h"
#include "launch/pool.h"
#include "runner/cancel_watch.h"
#include "runner/collect.h"
#include "runner/outcome.h"
#include "runner/run_plan.h"

namespace sandbox_run::runner {
namespace {

using report::Report;
using report::Verdict;

// One that waits while another runs is what hides the preparing; a second is for runs shorter than that takes.
constexpr unsigned kPreparedAhead = 2;

}  // namespace

Status Runs::run(const Launched& launched, const launch::Streams& streams) {
  TRY(launch::Plan plan, plan_for(request_, progress_.report.id, launched.source_path, launched.package));
  TRY_STATUS(watch_calls(request_, plan));
  if (request_.repeat > 1) return repeat(plan, launched, streams);
  TRY(const std::unique_ptr<launch::Sandbox> sandbox,
      progress_.timed("prepare", [&] { return setting_.host.prepare(plan, [&] { return take_program(launched); }); }));
  TRY_STATUS(run_in(*sandbox, launched, streams));
  // Hashing a program takes longer than launching it, so it waits until the run is over and somebody wants it.
  return hash_program();
}

Status Runs::take_program(const Launched& launched) {
  TRY(program_, launched.program());
  return {};
}

// One program, many runs: while one runs, the next one's sandbox is prepared. What the runs have in common is in each
// report.
Status Runs::repeat(const launch::Plan& plan, const Launched& launched, const launch::Streams& streams) {
  TRY(const std::unique_ptr<launch::Pool> pool,
      setting_.host.pool(plan, {.ahead = kPreparedAhead, .total = request_.repeat}));
  TRY_STATUS(take_program(launched));
  TRY_STATUS(hash_program());
  const Report& report = progress_.report;
  const Report common = report;
  for (std::uint32_t ended = 0; ended < request_.repeat; ++ended) {
    int signal = take_signal(setting_.cancel_fd);
    if (ended > 0) {
      if (signal == 0) signal = report.facts.received_signal;
      if (report.verdict == Verdict::canceled) break;
      const bool go_on = setting_.others && setting_.others(report);
      progress_.begin_again(common);
      if (!go_on) return host_error(fmt::format("stopped: nobody takes the report of run {}", ended));
    }
    if (signal != 0)
      return Error{Fault::host, ECANCELED,
                   fmt::format("canceled by {} when {} of {} runs had ended", report::signal_name(signal), ended,
                               request_.repeat)};
    if (streams.input >= 0 && ::lseek(streams.input, 0, SEEK_SET) != 0)
      return host_error(errno, "cannot read standard input again from its start");
    TRY(const std::unique_ptr<launch::Sandbox> sandbox, progress_.timed("prepare", [&] { return pool->take(); }));
    TRY_STATUS(run_in(*sandbox, launched, streams));
  }
  return pool->close();
}

Status Runs::run_in(launch::Sandbox& sandbox, const Launched& launched, const launch::Streams& streams) {
  launch::Program what{.executable = program_.get(), .argv = {launched.name}, .environment = environment_of(request_)};
  what.argv.insert(what.argv.end(), request_.arguments.begin(), request_.arguments.end());
  TRY(const std::unique_ptr<TracedRun> traced, trace_run(what));
  TRY(progress_.report.facts, progress_.timed("run", [&]() -> Result<launch::Facts> {
    TRY_STATUS(sandbox.start(what, streams, traced.get()));
    // The sandbox has a descriptor of its own, and gives it up as soon as it can.
    if (!request_.hash_program && request_.repeat == 1) program_.reset();
    return sandbox.wait(setting_.cancel_fd);
  }));
  if (traced) progress_.report.trace = traced->finish();
  judge(launched, streams.merge);
  progress_.note(report::Note::About::collection,
                 collect(request_.collect, sandbox.scratch(), request_.limits.scratch));
  return {};
}

// nullptr: this run is not traced.
Result<std::unique_ptr<TracedRun>> Runs::trace_run(launch::Program& program) {
  if (!request_.trace) return std::unique_ptr<TracedRun>();
  const std::string& id = progress_.report.id;
  TRY(auto traced, TracedRun::start(*request_.trace, program.executable, trace_socket(setting_.state_directory, id),
                                    request_.trace_probes));
  traced->give_descriptors(program);
  progress_.narrator.note(fmt::format("tracing run {}: 'sandbox-run trace attach {} RULE' switches a rule on", id, id));
  return traced;
}

Status Runs::hash_program() {
  report::BuildSection& build = *progress_.report.build;
  if (!request_.hash_program || !build.binary_sha256.empty()) return {};
  TRY(const std::string bytes, read_program(program_.get(), build.binary));
  build.binary_sha256 = sha256(bytes).hex();
  return {};
}

void Runs::judge(const Launched& launched, bool streams_merged) {
  Report& report = progress_.report;
  const launch::Facts& facts = report.facts;
  const Outcome outcome = classify(facts, report.limits);
  report.verdict = verdict_of(outcome);
  report.message = describe(outcome, facts, report.limits);
  report.limits_hit = limits_hit(facts, report.limits);
  if (const auto* exited = std::get_if<Exited>(&outcome))
    report.exit_code = exited->code;
  else if (facts.status && facts.status->exited && facts.ended == launch::EndedBySupervisor::none)
    report.exit_code = facts.status->exit_code;
  if (const auto* signalled = std::get_if<Signalled>(&outcome)) report.signal = signalled->signal;
  report.sandbox.cgroup_version = facts.cgroup_version;
  report.sandbox.network = facts.network;
  report.sandbox.weakened = facts.weakened;
  report.sandbox.hardening = facts.hardening;
  if (report.verdict == Verdict::ok) return;
  const launch::Stream& errors = streams_merged ? facts.stdout_stream : facts.stderr_stream;
  report.go_failure = report::parse_go_failure(errors.captured);
  // -trimpath names the module's files by its path; the submitter knows them by where they are.
  const std::string& module = launched.module_path;
  if (report.go_failure && !module.empty() && report.go_failure->location.starts_with(module + "/"))
    report.go_failure->location.erase(0, module.size() + 1);
}

Result<std::string> read_program(int program, Bytes size) {
  std::string bytes(size.count, '\0');
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t got = ::pread(program, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (got <= 0) return host_error(got < 0 ? errno : EIO, "cannot read the program");
    at += static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace sandbox_run::runner
