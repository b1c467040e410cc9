// Request: what a caller wants done with one submission, every knob with its default. The doors fill it in.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "go-build/build.h"
#include "hooks/rules.h"
#include "ingest/ingest.h"
#include "launch/plan.h"

namespace sandbox_run::runner {

// Limits of the program's run; the defaults are the CLI's.
struct RunLimits {
  CpuTime cpu_time{std::chrono::seconds(10)};
  WallTime wall_time{std::chrono::seconds(20)};
  Bytes memory{256ull << 20};
  std::uint32_t processes = 64;
  double cpus = 1;
  Bytes output{64ull << 20};
  Bytes scratch{64ull << 20};
  std::uint32_t open_files = 256;
};

struct HostMount {
  std::string source;  // absolute host path, the caller's own word
  std::string target;  // absolute path inside
  bool writable = false;
};

// What --out GLOB=DIR asks for: regular files of /work and /tmp whose path matches, copied when everything is dead.
struct Collect {
  std::string glob;       // fnmatch(3) with FNM_PATHNAME, relative to /work
  std::string directory;  // of the host; made if absent
};

// With Request::trace: whether the kernel's probes (hooks/hook_probe.h, hooks/call_probe.h) watch the program too.
enum class TraceProbes {
  automatic,  // where the host gives them; the trace says why not, where it does not
  required,
  off,
};

struct Request {
  enum class Action { run, test };

  Action action = Action::run;
  std::vector<std::string> sources;
  std::string root;
  int standard_input = 0;  // where a source is "-"
  ingest::Limits ingest_limits;

  bool fetch = false;     // may use GOPROXY
  std::string pin;        // module@version: "h1:…" its zip must have
  bool unpinned = false;  // module@version without a pin, on the caller's own word

  std::string go_version;  // "", "1.26", "1.26.8", or an absolute GOROOT
  std::vector<std::string> tags;
  bool symbols = false;
  go_build::Limits build_limits;

  std::vector<std::string> arguments;    // the program's, argv[0] not included
  std::vector<std::string> environment;  // "K=V", over the fixed ones
  std::string profile = "go-run";
  launch::OnDenied on_denied = launch::OnDenied::error;
  launch::Network network = launch::Network::none;
  bool proc = false;
  bool with_source = false;
  std::vector<HostMount> mounts;
  std::vector<Collect> collect;
  std::vector<std::string> weaken;
  std::vector<std::string> require;
  RunLimits limits;
  Bytes capture{1ull << 20};
  std::uint32_t repeat = 1;             // runs of the one artifact, one after the other, each in a sandbox of its own
  bool fresh_network = false;           // for each of them, even where they could share an empty one
  std::optional<hooks::RuleSet> trace;  // build these hooks in, and trace the run
  TraceProbes trace_probes = TraceProbes::automatic;
  bool hash_program = false;  // exec: the report is to hold the executable's SHA-256
};

}  // namespace sandbox_run::runner
