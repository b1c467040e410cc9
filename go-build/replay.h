// Replay: the two tool commands that `go build` would run for a program of one package and the standard library, run
// without it: the same bytes in half the time. What the commands are is asked of the go command itself, once per
// toolchain, go line and flags, about a program of ours.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "go-build/artifact_cache.h"
#include "go-build/build_plan.h"
#include "go-build/replay_source.h"
#include "go-build/std_cache.h"
#include "go-build/toolchain.h"
#include "launch/launch.h"

namespace sandbox_run::go_build {

// The commands of the go command's dry run, with what differs between programs taken out.
struct Recipe {
  std::vector<std::string> compile;  // argv; files follow
  std::vector<std::string> link;     // argv; the archive follows
  std::string modinfo;               // the link configuration's line, quoted as Go quotes

  // nullopt: not the commands we know. `dry_run` is what `go build -n` printed about the placeholder.
  static std::optional<Recipe> parse(std::string_view dry_run);
  static std::optional<Recipe> load(std::string_view text);
  std::string save() const;

  // For a certain program: paths of the sandbox in place of the placeholder's.
  std::vector<std::string> compile_command(const ReplaySource& source) const;
  std::vector<std::string> link_command() const;
  std::string modinfo_line(const ReplaySource& source) const;
};

// Module path of the program the go command is asked about.
inline constexpr std::string_view kPlaceholderModule = "sandbox-run.invalid/placeholder";

// The compiler started by the hook rewriter, and the standard library with hooks.
struct ReplayHooks {
  std::string rewriter;               // host path
  std::string std_cache;              // as StdCache's
  std::string packages_path;          // likewise
  std::string archives_path;          // for the linker in place of packages_path
  std::vector<launch::Mount> mounts;  // rewriter, runtime, rules, and where the plan is written
};

struct ReplayInput {
  launch::Host& host;
  const Toolchain& toolchain;
  const StdCache& std_library;
  const std::string& state_directory;
  const std::string& run_directory;  // of this build
  const std::string& snapshot_path;
  const std::string& output_file;  // where the program is to be
  const Limits& limits;
  bool symbols = false;
  int cancel_fd = -1;
  const ReplayHooks* hooks = nullptr;
};

// What happened: the facts of the tool that ended last. nullopt: the go command has to do it (no recipe, or the tools
// did not succeed, and only it has the right words for that).
Result<std::optional<launch::Facts>> replay(const ReplayInput& input, const ReplaySource& source);

}  // namespace sandbox_run::go_build
