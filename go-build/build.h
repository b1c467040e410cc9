// go-build: VerifiedTree → Artifact, inside the walls (profile go-build, its own limits, no network).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/narrator.h"
#include "base/result.h"
#include "go-build/artifact.h"
#include "go-build/toolchain.h"
#include "hooks/hook_plan.h"
#include "ingest/submission.h"
#include "launch/launch.h"
#include "sum-verify/verified_tree.h"

namespace sandbox_run::go_build {

struct Limits {
  CpuTime cpu_time{std::chrono::seconds(60)};  // of all its processes together
  WallTime wall_time{std::chrono::seconds(60)};
  Bytes memory{2ull << 30};
  std::uint32_t processes = 256;
  Bytes output{256ull << 20};  // the binary and every other file it writes
};

// Hooks to build into the program: the rules as hooks::to_json writes them.
struct Hooks {
  std::string rules_file;  // what messages call it
  std::string rules_json;
  std::set<std::uint32_t> shipped_rules;  // indices of those that come with a shipped set
};

struct Request {
  std::optional<Hooks> hooks;
  std::vector<std::string> tags;
  bool symbols = false;      // keep the symbol table and DWARF
  bool test_binary = false;  // go test -c of the package instead of go build
  Limits limits;
  std::string state_directory;   // artifact cache, std caches, workspace
  launch::Host* host = nullptr;  // shared with other launches; nullptr: opened when the artifact cache has no answer
  int cancel_fd = -1;            // as launch::Sandbox::wait
  bool use_artifact_cache = true;
  // Programs of one package that imports the standard library alone are compiled and linked without the go command, to
  // the same bytes; hooked ones of several packages without a plan made first.
  bool use_shortcuts = true;
};

// Fails with: Fault::host or Fault::self where building itself could not be done (no wall, no toolchain, a full disk).
// A source that does not build, or not within its limits, is an outcome.
Result<BuildOutcome> build(const ingest::Submission& submission, const sum_verify::VerifiedTree& tree,
                           const Toolchain& toolchain, const Request& request, Narrator& narrator);

// What the rules of `request.hooks` come to in this program: every site, and what is not hooked.
// Fails with: Fault::input and the rewriter's words where a rule or the source is not as it should be.
Result<hooks::HookPlan> plan_of_hooks(const ingest::Submission& submission, const sum_verify::VerifiedTree& tree,
                                      const Toolchain& toolchain, const Request& request, Narrator& narrator);

// What the rewriter prints when it is asked with these words ("list-functions", "os.*"; "show-source", "os") about the
// program, at most kMostAnswer of it; without a program about the standard library. Fails with: as plan_of_hooks.
struct HookSubject {
  const ingest::Submission& submission;
  const sum_verify::VerifiedTree& tree;
};
Result<std::string> ask_rewriter(const HookSubject* subject, const Toolchain& toolchain, const Request& request,
                                 const std::vector<std::string>& words, Narrator& narrator);
inline constexpr Bytes kMostAnswer{16ull << 20};

}  // namespace sandbox_run::go_build
