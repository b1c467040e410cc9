// TracedRun: the collector of one run of a hooked program, between the launch that shows it system calls and the hooks
// that write events.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hooks/collector.h"
#include "hooks/rules.h"
#include "launch/plan.h"
#include "runner/request.h"

namespace sandbox_run::runner {

// Where the run of this id listens for `sandbox-run trace`: in its own directory, which nobody else may enter.
std::string trace_socket(const std::string& state_directory, const std::string& id);

class TracedRun final : public launch::RunObserver {
 public:
  // `program` is the hooked artifact; `control_socket` where requests to switch rules come in.
  // REQUIRES: launch::Host is open (without root it needs a single thread, and the collector has one of its own).
  // Fails with: Fault::host; Fault::self where the program holds no site that can be read.
  static Result<std::unique_ptr<TracedRun>> start(const hooks::RuleSet& rules, int program,
                                                  const std::string& control_socket, TraceProbes probes);

  void give_descriptors(launch::Program& program) const;
  // Fails with: Fault::host where probes are required and cannot be had; Fault::input where the program has tampered
  // with the hook runtime.
  Status about_to_start(pid_t program, int executable) override;
  void handed_over(const launch::HandedOverCall& call) override;
  // Everything of the run is dead.
  hooks::Trace finish();

 private:
  TracedRun(hooks::ProgramImage image, std::unique_ptr<hooks::Collector> collector, TraceProbes probes)
      : image_(std::move(image)), collector_(std::move(collector)), probes_(probes) {}
  // The probe; nothing, and a witness that says why, where it may be missing.
  template <class Probe>
  Result<std::optional<Probe>> attached(const std::string& name, Result<Probe> probe);
  Result<std::optional<hooks::HookProbe>> attached_to_hooks(pid_t program, int executable);

  hooks::ProgramImage image_;
  std::unique_ptr<hooks::Collector> collector_;
  TraceProbes probes_;
  std::vector<hooks::Witness> witnesses_;
};

}  // namespace sandbox_run::runner
