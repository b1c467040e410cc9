// BuildPlan: what a build's sandbox is and which command runs in it. Pure: no system call, clock or environment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "go-build/build.h"
#include "launch/plan.h"

namespace sandbox_run::go_build {

// Changes with everything in the build line, the environment or the sandbox that changes what a build yields, so that
// no cache answers for another recipe.
inline constexpr std::string_view kRecipe = "recipe 1";

// Where the parts of one build stand on the host. All absolute.
struct BuildPaths {
  std::string goroot;
  std::vector<LinkedDirectory> goroot_links;  // what links in it lead out to
  std::string source;           // the snapshot; empty: an empty directory (the std cache has no source but GOROOT)
  std::string directory = ".";  // below source: the main module's, where the go command stands
  std::string std_cache;        // the read-only lower layer of GOCACHE
  std::string writable_cache;   // instead of std_cache: GOCACHE itself, for filling
  std::string output_file;      // empty regular file; empty: nothing is collected
  std::vector<launch::BindMount> modules;
  bool plain_cache = false;  // the std cache as it is, without a private layer: for a tool that only reads it
  std::vector<launch::Mount> more;
};

// Where the toolchain is; the rest is to be filled in. Fails with: as linked_directories.
Result<BuildPaths> paths_of(const Toolchain& toolchain);

// A new empty file that a sandbox may write to: it lies in a directory that lets nobody else in.
Result<UniqueFd> make_output(const std::string& path);

// For compiling the standard library: as much as it takes on a slow machine, for no submission decides it.
Limits std_limits();

struct BuildCommand {
  std::vector<std::string> arguments;  // argv of the go command
  std::vector<std::string> environment;
};

// What decides the command, out of submission and request.
struct BuildTarget {
  std::string directory = ".";  // of the main module, relative to the snapshot; the rest is relative to it
  std::string package = ".";
  std::vector<std::string> files;  // instead of the package: those named one by one, or a package without go.mod
  bool vendored = false;
  std::vector<std::string> tags;
  bool symbols = false;
  bool test_binary = false;
  std::vector<std::string> hook_flags;  // of a hooked build
  bool symbol_table = false;            // keep it even without `symbols`: a hooked program's hooks are found in it
};

// The one place where the build line is written; build_plan.cc says beside each flag and variable what it is there for.
BuildCommand build_command(const BuildTarget& target, const Limits& limits, unsigned processors);
// `go build std` with the same line, so that its results answer for later builds.
BuildCommand std_command(const Limits& limits, unsigned processors);

// Prints what build_command would run; runs nothing.
BuildCommand dry_run_command(const BuildTarget& target, const Limits& limits, unsigned processors);
// Prints "path=file" of each std package that has more than tests: where in GOCACHE its compiled form is. What is not
// there yet is compiled. With hooks: `flags` are hook_flags, `packages` what the program is built from.
BuildCommand std_list_command(const Limits& limits, unsigned processors, const std::vector<std::string>& flags = {},
                              const std::vector<std::string>& packages = {"std"});

// `unix_time` in seconds: written to the private layer's trim.txt, so that the go command finds its cache trimmed.
launch::Plan build_plan(const BuildPaths& paths, const Limits& limits, std::string id, std::int64_t unix_time);

// The flags and target as text, for cache keys.
std::string describe(const BuildTarget& target);

}  // namespace sandbox_run::go_build
