// Artifact: a static Go binary that passed the ELF gate, ready to be run any number of times.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/sha256.h"
#include "base/unique_fd.h"
#include "base/units.h"

namespace sandbox_run::go_build {

struct Artifact {
  UniqueFd program;  // sealed memfd, executable
  Sha256Digest sha256;
  Bytes size;
  std::string go_version;          // "go1.26.8"; empty for a prebuilt executable
  bool cached = false;             // answered by the artifact cache, re-hashed on use
  std::vector<std::string> notes;  // of a hooked build: what could not be hooked, and why
  bool replayed = false;           // compiled and linked without the go command: the same bytes sooner
  bool planned_first = false;      // of a hooked build: what it hooks was planned for the whole program before
  std::chrono::microseconds wall_time{0};
};

// The build ended without an artifact, for a reason that is the submission's own.
struct BuildFailure {
  enum class Limit { none, cpu_time, wall_time, memory, processes, output };
  Limit limit = Limit::none;            // none: the compiler refused it, or the ELF gate did
  std::vector<Diagnostic> diagnostics;  // the compiler's, with the submitter's paths
  std::string output;                   // the same as text, capped; what a person sees on stderr
  bool output_truncated = false;
  std::string message;  // one line for the report
  std::chrono::microseconds wall_time{0};
};

struct BuildOutcome {
  std::optional<Artifact> artifact;
  BuildFailure failure;  // meaningful where there is no artifact
};

}  // namespace sandbox_run::go_build
