// Session: what the commands that walk the road share: signals, state directory, narrator, pipeline.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "runner/pipeline.h"

namespace sandbox_run::cli {

class Session {
 public:
  // Blocks SIGINT, SIGTERM, SIGHUP and SIGQUIT for good and takes them by descriptor; ignores SIGPIPE and SIGXFSZ.
  static Result<std::unique_ptr<Session>> open(const Options& options);

  runner::Pipeline& pipeline() { return *pipeline_; }
  TerminalNarrator& narrator() { return narrator_; }
  const std::string& state_directory() const { return state_directory_; }

  // The end of a request: closing line, --trace-out, --json, --report. False: one of them could not be written, which
  // has been said.
  bool present(const report::Report& report, const Options& options);
  // The same, and the exit status.
  int finish(const report::Report& report, const Options& options);

 private:
  explicit Session(Loudness loudness) : narrator_(loudness) {}

  Status write_report(const Options& options, const std::string& object);

  TerminalNarrator narrator_;
  UniqueFd signals_;
  UniqueFd report_lines_;  // --report of several runs, from the first one's end on
  std::string state_directory_;
  std::unique_ptr<runner::Pipeline> pipeline_;
};

// What --report names must be writable before the run takes its time.
Status check_report_file(const Options& options);

// Takes a command's line: flags into `options`, operands and arguments into its request. An exit status where there is
// nothing to do: help was asked for (and printed), or the line is wrong (and said: `on_usage_error`).
std::optional<int> take_line(const std::string& command, const FlagSet& flags, const std::vector<std::string>& words,
                             Options& options, int on_usage_error = kOurFailure);

// How loud: --quiet and --json are silent.
Loudness loudness_of(const Options& options);

// Prints a usage error, in the form "sandbox-run COMMAND: …".
int usage_error(const std::string& command, const Error& error);

}  // namespace sandbox_run::cli
