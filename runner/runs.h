// Runs: a request's program behind the walls, once or request.repeat times, each time to a report with its verdict.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "launch/launch.h"
#include "runner/progress.h"
#include "runner/request.h"
#include "runner/traced_run.h"

namespace sandbox_run::runner {

// What is launched. The program is taken while its sandbox is prepared.
struct Launched {
  std::string name;                           // argv[0]
  std::string source_path;                    // the snapshot, where the program sees it; else empty
  std::string package = ".";                  // in it: where a test runs
  std::string module_path;                    // of the go.mod; empty without one
  std::function<Result<UniqueFd>()> program;  // a sealed memory file
};

// All borrowed.
struct RunSetting {
  launch::Host& host;
  const std::string& state_directory;
  int cancel_fd = -1;
  const ReportSink& others;  // takes each report but the last
};

class Runs {
 public:
  Runs(const Request& request, Progress& progress, const RunSetting& setting)
      : request_(request), progress_(progress), setting_(setting) {}

  // Fails with: Fault::host where a wall is missing; ECANCELED where a signal came between two runs; what taking the
  // program fails with. What a program does is in its report.
  Status run(const Launched& launched, const launch::Streams& streams);

 private:
  Status take_program(const Launched& launched);
  Status repeat(const launch::Plan& plan, const Launched& launched, const launch::Streams& streams);
  Status run_in(launch::Sandbox& sandbox, const Launched& launched, const launch::Streams& streams);
  Result<std::unique_ptr<TracedRun>> trace_run(launch::Program& program);
  Status hash_program();
  void judge(const Launched& launched, bool streams_merged);

  const Request& request_;
  Progress& progress_;
  const RunSetting setting_;
  UniqueFd program_;
};

// The bytes of a program in memory. `size`: its own. Fails with: Fault::host.
Result<std::string> read_program(int program, Bytes size);

}  // namespace sandbox_run::runner
