#include "go-build/go_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/files.h"
#include "go-build/build_code.h"
#include "seccomp-profiles/filter.h"

namespace sandbox_run::go_build {
namespace {

using Limit = BuildFailure::Limit;

// The kernel's words for a full disk and a file over its limit. Only a hint: at worst a submitter who prints them in a
// compile error gets another explanation of the same failure.
bool says_too_large(std::string_view text) {
  return text.find("no space left on device") != std::string_view::npos ||
         text.find("file size limit exceeded") != std::string_view::npos ||
         text.find(": file too large") != std::string_view::npos;
}

Limit limit_of(const launch::Facts& facts) {
  switch (facts.ended) {
    case launch::EndedBySupervisor::cpu_time:
      return Limit::cpu_time;
    case launch::EndedBySupervisor::wall_time:
      return Limit::wall_time;
    case launch::EndedBySupervisor::memory:
      return Limit::memory;
    case launch::EndedBySupervisor::output:
      return Limit::output;
    case launch::EndedBySupervisor::canceled:
    case launch::EndedBySupervisor::denied_call:
    case launch::EndedBySupervisor::denied_call_flood:
    case launch::EndedBySupervisor::foreign_call:
      return Limit::none;
    case launch::EndedBySupervisor::none:
      break;
  }
  if (facts.usage.oom_kills > 0) return Limit::memory;
  if (facts.file_size_hit || facts.scratch_full || says_too_large(facts.stderr_stream.captured)) return Limit::output;
  if (facts.usage.process_limit_hits > 0) return Limit::processes;
  return Limit::none;
}

std::string limit_message(Limit limit, const Limits& limits, const launch::Facts& facts) {
  switch (limit) {
    case Limit::none:
      return {};
    case Limit::cpu_time:
      return fmt::format("the build used more than {} of CPU time; raise with --build-cpu-time",
                         format_duration(limits.cpu_time.value));
    case Limit::wall_time:
      return fmt::format("the build took longer than {}; raise with --build-wall-time",
                         format_duration(limits.wall_time.value));
    case Limit::memory:
      return fmt::format("the build needed more than {} of memory; raise with --build-memory",
                         format_bytes(limits.memory));
    case Limit::processes:
      return fmt::format("the build needed more than {} processes and threads; raise with --build-pids",
                         limits.processes);
    case Limit::output:
      if (facts.ended == launch::EndedBySupervisor::output)
        return fmt::format("the compiler printed more than fits: {} of messages",
                           format_bytes(Bytes{facts.stdout_stream.bytes + facts.stderr_stream.bytes}));
      return fmt::format("the build wrote more than {}; raise with --build-output", format_bytes(limits.output));
  }
  return {};
}

}  // namespace

std::string unique_id(std::string_view prefix) {
  static std::atomic<unsigned> counter{0};
  return fmt::format("{}-{}-{}", prefix, ::getpid(), counter++);
}

unsigned processors() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

Result<Tool> Tool::prepare(launch::Host& host, launch::Plan plan, const Toolchain& toolchain,
                           const std::string& program) {
  TRY(const UniqueFd executable, open_path(toolchain.goroot + "/" + program, O_RDONLY));
  return prepare(host, std::move(plan), executable.get());
}

Result<Tool> Tool::prepare(launch::Host& host, launch::Plan plan, int executable) {
  const auto* filter = seccomp_profiles::builtin_filter(plan.profile_name);
  if (!filter) return self_error(fmt::format("there is no built-in profile {}", plan.profile_name));
  plan.filter = *filter;
  Tool tool;
  tool.executable_.reset(::fcntl(executable, F_DUPFD_CLOEXEC, 3));
  if (!tool.executable_) return host_error(errno, "cannot duplicate a program's descriptor");
  TRY(tool.sandbox_, host.prepare(plan));
  return tool;
}

Status Tool::start(const BuildCommand& command, int messages_fd, Bytes capture) {
  launch::Program program;
  program.executable = executable_.get();
  program.argv = command.arguments;
  program.environment = command.environment;
  launch::Streams streams;
  streams.error = messages_fd;
  streams.capture = capture;
  return sandbox_->start(program, streams);
}

Result<launch::Facts> Tool::wait(int cancel_fd) {
  TRY(launch::Facts facts, sandbox_->wait(cancel_fd));
  if (facts.ended == launch::EndedBySupervisor::canceled)
    return Error{Fault::host, ECANCELED, "canceled while it was built"};
  return facts;
}

Result<launch::Facts> run_go(launch::Host& host, launch::Plan plan, const Toolchain& toolchain,
                             const BuildCommand& command, int messages_fd, int cancel_fd) {
  TRY(Tool go, Tool::prepare(host, std::move(plan), toolchain, "bin/go"));
  TRY_STATUS(go.start(command, messages_fd));
  return go.wait(cancel_fd);
}

Result<launch::Facts> run_tool(launch::Host& host, launch::Plan plan, int executable, const BuildCommand& command,
                               int cancel_fd, Bytes capture) {
  TRY(Tool tool, Tool::prepare(host, std::move(plan), executable));
  TRY_STATUS(tool.start(command, -1, capture));
  return tool.wait(cancel_fd);
}

std::string describe_end(const launch::Facts& facts) {
  std::string end = "it was ended";
  if (facts.status && facts.status->exited) end = fmt::format("exit code {}", facts.status->exit_code);
  if (facts.status && !facts.status->exited) end = fmt::format("signal {}", facts.status->signal);
  for (const auto& call : facts.denied)
    end +=
        fmt::format("; system call {} was denied", call.syscall.empty() ? std::to_string(call.number) : call.syscall);
  auto messages = read_compiler_messages(facts.stderr_stream.captured, Bytes{facts.stderr_stream.captured.size()});
  if (!messages.diagnostics.empty()) end += ": " + messages.diagnostics.back().message;
  return end;
}

BuildFailure read_failure(const launch::Facts& facts, const Limits& limits, const SubmittedFiles* submitted) {
  BuildFailure failure;
  failure.wall_time = facts.wall_time;
  // Errors of the go command go to stderr; `go test -c` prints some on stdout.
  std::string text = facts.stderr_stream.captured + facts.stdout_stream.captured;
  auto messages = read_compiler_messages(text, Bytes{facts.stderr_stream.bytes + facts.stdout_stream.bytes},
                                         kMessagesCap, submitted);
  failure.diagnostics = std::move(messages.diagnostics);
  failure.output = std::move(messages.output);
  failure.output_truncated = messages.truncated;
  failure.limit = succeeded(facts) ? Limit::none : limit_of(facts);
  if (failure.limit != Limit::none) {
    failure.message = limit_message(failure.limit, limits, facts);
    failure.diagnostics.insert(
        failure.diagnostics.begin(),
        Diagnostic{Diagnostic::Severity::error, build_code_name(BuildCode::GB005), "", 0, 0, failure.message});
    return failure;
  }
  auto is_error = [](const Diagnostic& d) { return d.severity == Diagnostic::Severity::error; };
  auto first = std::find_if(failure.diagnostics.begin(), failure.diagnostics.end(), is_error);
  auto errors = std::count_if(failure.diagnostics.begin(), failure.diagnostics.end(), is_error);
  if (first == failure.diagnostics.end()) {
    failure.message = "the build failed: " + describe_end(facts);
    return failure;
  }
  std::string place = first->file;
  if (first->line > 0) place += fmt::format(":{}", first->line);
  if (first->column > 0) place += fmt::format(":{}", first->column);
  failure.message = place.empty() ? first->message : place + ": " + first->message;
  if (errors > 1) failure.message += fmt::format(" (and {} more)", errors - 1);
  return failure;
}

}  // namespace sandbox_run::go_build
