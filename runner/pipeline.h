// Pipeline: the road from a source to a report. One method per door's wish; each reads as the list of its stages.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/narrator.h"
#include "base/result.h"
#include "go-build/artifact.h"
#include "launch/launch.h"
#include "report/report.h"
#include "runner/progress.h"
#include "runner/request.h"
#include "sum-verify/verify.h"

namespace sandbox_run::runner {

class Pipeline {
 public:
  // `cancel_fd`: a signalfd that cancels a build or a run, or -1. Borrowed, as the narrator is.
  Pipeline(std::string state_directory, Narrator& narrator, int cancel_fd)
      : state_directory_(std::move(state_directory)), narrator_(narrator), cancel_fd_(cancel_fd) {}

  // Called on another thread when a stage that cannot be stopped half-way is canceled; the process then ends.
  void on_cancel(std::function<void(const report::Report&)> call) { on_cancel_ = std::move(call); }

  // Source → verified tree → artifact → walls → report. Whatever goes wrong is in the report, never an Error. Where
  // request.repeat asks for several runs, the answer is the last one's report, and `others` gets those before it. A
  // signal ends them all; streams.input is then read from its start by each.
  report::Report run(const Request& request, const launch::Streams& streams, const ReportSink& others = nullptr);

  // A prebuilt executable, through the walls only.
  report::Report exec(const Request& request, const launch::Streams& streams, const ReportSink& others = nullptr);

  // As far as the artifact, which is written to `output` (mode 0755) if the build succeeds.
  report::Report build(const Request& request, const std::string& output);

  // As far as the verified tree; with request.fetch everything needed is then in the store.
  struct Verified {
    report::Report report;
    sum_verify::Verification verification;
  };
  Verified verify(const Request& request);

  // What the hooks of request.trace come to in the program: every site, and what is not hooked.
  Result<hooks::HookPlan> plan_hooks(const Request& request);
  // What the rewriter answers about the program, or, without a source, about the standard library.
  Result<std::string> ask_rewriter(const Request& request, const std::vector<std::string>& words);

  // Whether the request's own words are good (profile, walls, hardenings, mounts), before anything is read.
  Status check(const Request& request);
  // The plan of `run` or `exec` as text, made without building anything.
  Result<std::string> dry_run(const Request& request);

 private:
  class Road;

  std::string state_directory_;
  Narrator& narrator_;
  int cancel_fd_;
  std::function<void(const report::Report&)> on_cancel_;
};

}  // namespace sandbox_run::runner
