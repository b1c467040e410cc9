// run, test and exec: a program through the walls, its streams passed through or captured.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/files.h"
#include "base/output_file.h"
#include "cli/commands.h"
#include "cli/session.h"

namespace sandbox_run::cli {
namespace {

// Whether our stdout and stderr are one open file, so that one pipe must serve both to keep their order.
bool is_one_open_file() {
  long same = ::syscall(SYS_kcmp, ::getpid(), ::getpid(), KCMP_FILE, STDOUT_FILENO, STDERR_FILENO);
  if (same >= 0) return same == 0;
  // Without kcmp(2): two descriptions of one file are merged as well, which costs nothing but their separate offsets.
  struct stat out {};
  struct stat err {};
  return ::fstat(STDOUT_FILENO, &out) == 0 && ::fstat(STDERR_FILENO, &err) == 0 && out.st_dev == err.st_dev &&
         out.st_ino == err.st_ino;
}

struct OpenedStreams {
  launch::Streams streams;
  UniqueFd input_file;
};

Result<OpenedStreams> open_streams(const Options& options) {
  OpenedStreams opened;
  if (options.standard_input.empty() && options.request.repeat > 1)
    return input_error(
        fmt::format("--repeat {}: each run reads its standard input from the start, and ours can be read "
                    "once only; say --stdin FILE or --stdin none",
                    options.request.repeat));
  if (options.standard_input.empty()) {
    opened.streams.input = STDIN_FILENO;
  } else if (options.standard_input != "none" && !options.dry_run) {
    auto file = open_path(options.standard_input, O_RDONLY);
    if (!file) return input_error("--stdin: " + file.error().what);
    struct stat info {};
    if (::fstat(file->get(), &info) == 0 && S_ISDIR(info.st_mode))
      return input_error(EISDIR, fmt::format("--stdin: {} cannot be read", options.standard_input));
    if (options.request.repeat > 1 && ::lseek(file->get(), 0, SEEK_SET) != 0)
      return input_error(errno, fmt::format("--stdin: {} cannot be read again from its start, as --repeat {} asks for",
                                            options.standard_input, options.request.repeat));
    opened.input_file = std::move(*file);
    opened.streams.input = opened.input_file.get();
  }
  if (!options.json) {
    opened.streams.output = STDOUT_FILENO;
    opened.streams.error = STDERR_FILENO;
    opened.streams.merge = is_one_open_file();
  }
  opened.streams.capture = options.request.capture;
  return opened;
}

// A source read from stdin leaves nothing there for the program.
void settle_standard_input(Options& options) {
  for (const std::string& source : options.request.sources)
    if (source == "-" && options.standard_input.empty()) options.standard_input = "none";
}

// A trace of an earlier run must not be taken for this one's, which may end before there is any.
void forget_earlier_traces(const Options& options) {
  for (const std::string& path : {options.trace_file, options.chrome_file}) {
    struct stat info {};
    if (!path.empty() && ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode))
      (void)!::truncate(path.c_str(), 0);  // where it fails, so will the export, and say why
  }
}

// What a run that may take its time is to be written to afterwards must be writable now.
Status check_exports(const Options& options) {
  TRY_STATUS(check_report_file(options));
  for (const runner::Collect& wanted : options.request.collect) {
    const Status good = check_output_directory(wanted.directory);
    if (!good) return input_error("--out: " + good.error().what);
  }
  if (!options.request.trace && options.request.trace_probes != runner::TraceProbes::automatic)
    return input_error("--trace-probes: nothing is traced; say what, for example --trace std:files");
  for (const auto& [flag, path] :
       {std::pair{"--trace-out", &options.trace_file}, {"--trace-chrome", &options.chrome_file}}) {
    if (path->empty()) continue;
    if (!options.request.trace)
      return input_error(fmt::format("{}: nothing is traced; say what, for example --trace std:files", flag));
    if (options.dry_run) continue;
    const Status good = check_open_output(*path);
    if (!good) return input_error(fmt::format("{}: {}", flag, good.error().what));
  }
  return {};
}

using Walk = report::Report (runner::Pipeline::*)(const runner::Request&, const launch::Streams&,
                                                  const runner::ReportSink&);

// The exit status is that of the first run that was not ok.
int walk_to_the_end(Session& session, Walk method, const Options& options, const launch::Streams& streams) {
  std::optional<int> first_failure;
  bool written = true;
  const auto present = [&](const report::Report& report) {
    written = session.present(report, options) && written;
    if (report.verdict != report::Verdict::ok && !first_failure) first_failure = report.exit_status();
    return written;
  };
  present((session.pipeline().*method)(options.request, streams, present));
  return written ? first_failure.value_or(0) : kOurFailure;
}

int walk(const std::string& command, Options& options, Walk method) {
  settle_standard_input(options);
  options.request.hash_program = options.json || !options.report_file.empty();
  // Before the session takes the signals over: a named pipe is waited for until somebody writes, or until Ctrl-C.
  auto opened = open_streams(options);
  if (!opened) return usage_error(command, opened.error());
  auto session = Session::open(options);
  if (!session) return usage_error(command, session.error());
  if (Status good = (*session)->pipeline().check(options.request); !good) return usage_error(command, good.error());
  if (Status good = check_exports(options); !good) return usage_error(command, good.error());
  if (options.dry_run) {
    auto text = (*session)->pipeline().dry_run(options.request);
    if (!text) return usage_error(command, text.error());
    return write_all(STDOUT_FILENO, *text, "stdout") ? 0 : kOurFailure;
  }
  forget_earlier_traces(options);
  return walk_to_the_end(**session, method, options, opened->streams);
}

}  // namespace

int run_command(const Words& words) {
  Options options;
  FlagSet flags(
      "run [flags] SOURCE… [-- ARGS…]",
      "Verifies, builds and runs untrusted Go source, and says exactly how it ended. SOURCE: a module's directory or a "
      "package in one, .go files, '-', a zip, tar, tar.gz, tar.zst or txtar archive, or module@version.");
  flags.take_arguments();
  add_run_flags(flags, options);
  add_repeat_flags(flags, options);
  add_source_flags(flags, options);
  add_toolchain_flags(flags, options);
  add_build_flags(flags, options);
  add_trace_flags(flags, options);
  add_output_flags(flags, options);
  if (auto status = take_line("run", flags, words, options)) return *status;
  return walk("run", options, &runner::Pipeline::run);
}

int test_command(const Words& words) {
  Options options;
  options.request.action = runner::Request::Action::test;
  FlagSet flags(
      "test [flags] PACKAGE [-- TEST-FLAGS…]",
      "Builds a package's tests and runs them in the package's directory, source shown read-only. TEST-FLAGS go to the "
      "test binary: -test.v, -test.run=Name.");
  flags.take_arguments();
  add_run_flags(flags, options);
  add_source_flags(flags, options);
  add_toolchain_flags(flags, options);
  add_build_flags(flags, options);
  add_trace_flags(flags, options);
  add_output_flags(flags, options);
  if (auto status = take_line("test", flags, words, options)) return *status;
  return walk("test", options, &runner::Pipeline::run);
}

int exec_command(const Words& words) {
  Options options;
  FlagSet flags("exec [flags] ELF [-- ARGS…]",
                "Runs a prebuilt executable inside the walls: a static one, or with --profile generic and --mount-ro a "
                "dynamic one.");
  flags.take_arguments();
  add_run_flags(flags, options);
  add_repeat_flags(flags, options);
  add_output_flags(flags, options);
  if (auto status = take_line("exec", flags, words, options)) return *status;
  const std::vector<std::string>& sources = options.request.sources;
  if (sources.size() > 1)
    return usage_error(
        "exec", input_error(fmt::format("'{}': one executable at a time; the program's own arguments stand after --",
                                        sources[1])));
  if (options.request.with_source)
    return usage_error("exec", input_error("--with-source: an executable has no source to show"));
  return walk("exec", options, &runner::Pipeline::exec);
}

}  // namespace sandbox_run::cli
