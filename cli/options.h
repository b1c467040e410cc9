// Options: what a command line asks for beyond the runner's request, and the flags that the commands share.
#pragma once

#include <optional>
#include <string>

#include "cli/flag_set.h"
#include "runner/request.h"

namespace sandbox_run::cli {

struct Options {
  runner::Request request;
  std::string standard_input;  // --stdin: a file, "none", or empty for our own
  std::string report_file;     // --report
  std::string trace_file;      // --trace-out: JSON lines
  std::string chrome_file;     // --trace-chrome
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool dry_run = false;
};

// Each adds one group of flags that write into `options`, which must outlive the set.
void add_loudness_flags(FlagSet& flags, Options& options);  // --quiet --verbose
// --json --report --quiet --verbose
void add_output_flags(FlagSet& flags, Options& options,
                      const std::string& json_help = "print one report object on stdout and nothing else");
void add_source_flags(FlagSet& flags, Options& options);     // --root --fetch --pin --unpinned --max-…
void add_toolchain_flags(FlagSet& flags, Options& options);  // --go --tags: which files and modules belong to it
void add_build_flags(FlagSet& flags, Options& options);      // --symbols --build-…
void add_trace_flags(FlagSet& flags, Options& options);      // --trace --trace-out --trace-chrome
void add_repeat_flags(FlagSet& flags, Options& options);     // --repeat --fresh-net
void add_run_flags(FlagSet& flags, Options& options);        // limits, environment, streams, walls

}  // namespace sandbox_run::cli
