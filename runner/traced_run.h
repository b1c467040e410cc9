// TracedRun: the collector of one run of a hooked program, between the launch that shows it system calls and the hooks
// that write events.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "hooks/collector.h"
#include "hooks/rules.h"
#include "launch/plan.h"

namespace sandbox_run::runner {

// Where the run of this id listens for `sandbox-run trace`: in its own directory, which nobody else may enter.
std::string trace_socket(const std::string& state_directory, const std::string& id);

class TracedRun final : public launch::CallObserver {
 public:
  // `program` is the hooked artifact; `control_socket` where requests to switch rules come in.
  // REQUIRES: launch::Host is open (without root it needs a single thread, and the collector has one of its own).
  // Fails with: Fault::host; Fault::self where the program holds no site that can be read.
  static Result<std::unique_ptr<TracedRun>> start(const hooks::RuleSet& rules, int program,
                                                  const std::string& control_socket);

  void give_descriptors(launch::Program& program) const;
  void handed_over(const launch::HandedOverCall& call) override;
  // Everything of the run is dead.
  hooks::Trace finish();

 private:
  TracedRun(hooks::ProgramImage image, std::unique_ptr<hooks::Collector> collector)
      : image_(std::move(image)), collector_(std::move(collector)) {}
  hooks::ProgramImage image_;
  std::unique_ptr<hooks::Collector> collector_;
};

}  // namespace sandbox_run::runner
