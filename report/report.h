// Report: everything one request came to, as plain data, and its JSON form (schema sandbox-run/report/v1, docs/).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/units.h"
#include "hooks/trace.h"
#include "launch/facts.h"
#include "report/go_failure.h"
#include "report/verdict.h"

namespace sandbox_run::report {

// The stage that decided the verdict.
enum class Stage { ingest, fetch, verify, build, run };
std::string_view stage_name(Stage stage);

struct LimitsSection {
  CpuTime cpu_time;
  WallTime wall_time;
  Bytes memory;
  std::uint32_t processes = 0;
  double cpus = 1;
  Bytes output;
  Bytes scratch;
  std::uint32_t open_files = 0;
  std::string go_memory_limit;     // GOMEMLIMIT as the program saw it: "241591905", "off"; empty where it was not set
  std::uint32_t go_max_procs = 0;  // GOMAXPROCS, likewise; 0 where it is no number
};

struct VerifySection {
  std::string result;  // "verified", "no modules needed", "unpinned", "skipped" (a prebuilt program), "failed"
  std::uint64_t modules = 0;
  std::uint64_t files = 0;
  Bytes bytes;
  std::string pin;  // module@version: the h1 of its zip
};

struct BuildSection {
  std::string go_version;
  bool cached = false;
  std::chrono::microseconds wall_time{0};
  std::string binary_sha256;
  Bytes binary;
  bool instrumented = false;
};

struct SandboxSection {
  std::string tier = "namespaces";
  std::string profile;
  int cgroup_version = 0;
  std::string network;
  std::vector<std::string> weakened;
  std::vector<std::string> hardening;
};

struct TimelineEntry {
  std::string stage;
  std::chrono::microseconds start{0};  // since the request began
  std::chrono::microseconds duration{0};
};

// A sentence beside the verdict.
struct Note {
  // What of the submission was left out; what a hooked build could not hook; what --out did not copy.
  enum class About { submission, hooks, collection };
  About about;
  std::string text;
};

struct Report {
  std::string id;
  Verdict verdict = Verdict::internal_error;
  Stage stage = Stage::ingest;
  std::optional<int> exit_code;  // present: the program exited by itself
  std::optional<int> signal;     // present: the program was killed by this signal
  std::string message;           // one line: what happened, by how much, what to do; empty for ok
  std::vector<Diagnostic> diagnostics;
  std::vector<Note> notes;
  launch::Facts facts;  // empty where nothing was launched
  LimitsSection limits;
  std::vector<std::string> limits_hit;
  VerifySection verify;
  std::optional<BuildSection> build;
  SandboxSection sandbox;
  std::optional<GoFailure> go_failure;
  std::optional<hooks::Trace> trace;  // of a hooked program's run
  std::string build_output;  // the compiler's own text, for a person's terminal; not in the JSON (diagnostics are)
  std::vector<TimelineEntry> timeline;

  // What `sandbox-run run` exits with.
  int exit_status() const;
};

// One line of JSON, without a line break at its end; always valid UTF-8.
std::string to_json(const Report& report);

// "SIGKILL" for 9; "SIG64" for those without a name.
std::string signal_name(int signal);

}  // namespace sandbox_run::report
