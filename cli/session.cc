#include "cli/session.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/files.h"
#include "base/output_file.h"
#include "report/trace_export.h"
#include "store/store.h"

namespace sandbox_run::cli {

Loudness loudness_of(const Options& options) {
  if (options.quiet || options.json) return Loudness::quiet;
  return options.verbose ? Loudness::verbose : Loudness::normal;
}

int usage_error(const std::string& command, const Error& error) {
  say(fmt::format("{}: {}", command, error.what));
  return kOurFailure;
}

namespace {

const char* example_for(const std::string& command) {
  if (command == "exec") return "./program";
  if (command == "test") return "examples/several-packages/greet";
  if (command == "fetch") return "examples/with-dependencies";
  return "examples/hello";
}

}  // namespace

std::optional<int> take_line(const std::string& command, const FlagSet& flags, const std::vector<std::string>& words,
                             Options& options, int on_usage_error) {
  auto line = flags.parse(words);
  if (!line) {
    usage_error(command, line.error());
    return on_usage_error;
  }
  if (line->help) return write_all(STDOUT_FILENO, flags.help(), "stdout") ? 0 : kOurFailure;
  options.request.sources = std::move(line->operands);
  options.request.arguments = std::move(line->arguments);
  if (!options.request.sources.empty()) return std::nullopt;
  usage_error(command, input_error(fmt::format("nothing to {}; for example: sandbox-run {} {}", command, command,
                                               example_for(command))));
  return on_usage_error;
}

Status check_report_file(const Options& options) {
  if (options.report_file.empty()) return {};
  Status good = check_output(options.report_file);
  if (!good) return Error{Fault::input, good.error().sys_errno, "--report: " + good.error().what};
  return {};
}

namespace {

using Export = void (*)(const hooks::Trace& trace, const report::TextSink& sink);

Status write_trace(const hooks::Trace& trace, Export write, const std::string& path, const char* flag) {
  auto file = open_output(path, 0666);
  if (!file) return input_error(fmt::format("{}: {}", flag, file.error().what));
  Status written;
  write(trace, [&](std::string_view text) {
    if (written) written = write_all(file->get(), text, path);
  });
  if (!written) return host_error(fmt::format("{}: {}", flag, written.error().what));
  return {};
}

Status export_trace(const hooks::Trace& trace, const Options& options) {
  // A stderr that nobody reads any more costs no more than what it would have shown.
  if (!options.quiet && !options.json) (void)write_all(STDERR_FILENO, report::trace_summary(trace), "stderr");
  if (!options.trace_file.empty())
    TRY_STATUS(write_trace(trace, report::write_json_lines, options.trace_file, "--trace-out"));
  if (!options.chrome_file.empty())
    TRY_STATUS(write_trace(trace, report::write_chrome_trace, options.chrome_file, "--trace-chrome"));
  return {};
}

}  // namespace

Result<std::unique_ptr<Session>> Session::open(const Options& options) {
  std::unique_ptr<Session> session(new Session(loudness_of(options)));
  sigset_t mask;
  sigemptyset(&mask);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&mask, signal);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  // An error of the write says it, and our end would be taken for the program's.
  for (int signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);  // ignored by our caller, it would hide how helper programs end
  session->signals_.reset(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!session->signals_) return host_error(errno, "cannot make a signal descriptor");
  TRY(session->state_directory_, store::state_directory());
  session->pipeline_ =
      std::make_unique<runner::Pipeline>(session->state_directory_, session->narrator_, session->signals_.get());
  session->pipeline_->on_cancel(
      [self = session.get(), &options](const report::Report& report) { self->finish(report, options); });
  return session;
}

// The report of one run is there whole or not at all; those of several come a line at a time, each as its run ends.
Status Session::write_report(const Options& options, const std::string& object) {
  if (options.request.repeat == 1) return write_output(options.report_file, object);
  if (!report_lines_) {
    TRY(report_lines_, open_output(options.report_file));
  }
  return write_all(report_lines_.get(), object, options.report_file);
}

bool Session::present(const report::Report& report, const Options& options) {
  narrator_.clear();
  if (!options.quiet && !options.json) print_outcome(report, options.verbose);
  // Each is written whether or not the others could be.
  bool whole = true;
  auto heed = [&](const Status& written) {
    if (!written) say(written.error().what);
    whole &= static_cast<bool>(written);
  };
  if (report.trace) heed(export_trace(*report.trace, options));
  if (!options.json && options.report_file.empty()) return whole;
  const std::string object = report::to_json(report) + "\n";
  if (options.json) heed(write_all(STDOUT_FILENO, object, "stdout"));
  if (options.report_file.empty()) return whole;
  Status replaced = write_report(options, object);
  if (!replaced) replaced.error().what = "--report: " + replaced.error().what;
  heed(replaced);
  return whole;
}

int Session::finish(const report::Report& report, const Options& options) {
  return present(report, options) ? report.exit_status() : kOurFailure;
}

}  // namespace sandbox_run::cli
