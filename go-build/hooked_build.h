// HookedBuild: what a build with hooks has more than another: a plan of what the rules touch, and the standard library
// compiled with those hooks.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/narrator.h"
#include "base/result.h"
#include "go-build/build_plan.h"
#include "go-build/hook_tool.h"
#include "hooks/hook_plan.h"

namespace sandbox_run::go_build {

// What every step of a hooked build is done with. All borrowed.
struct HookInput {
  launch::Host& host;
  const Toolchain& toolchain;
  const HookTool& tool;
  const Hooks& hooks;
  const std::string& state_directory;
  std::string run_directory;      // of this build
  std::vector<std::string> tags;  // of this build: they may choose files of the standard library
  int cancel_fd = -1;
};

// The rewriter, its archive and the rules, for the sandbox of a build.
void add_hook_mounts(const HookTool& tool, const Hooks& hooks, BuildPaths& paths);

// The words that make `go build` a hooked one. The rewriter takes part in each compilation, but only a package that a
// rule touches gets a flag of its own, and with it another place in GOCACHE; all others keep theirs.
// `standard`: the standard_plan. `program`: nullptr for what fills the hooked std cache.
std::vector<std::string> hook_flags(const hooks::HookPlan& standard, const hooks::HookPlan* program);

// As above without a plan of the program: every package of it gets the flag, and what the rules come to in each is
// added to inside::kHookPlan as it is compiled; so is what is linked.
std::vector<std::string> hook_flags_of_parts(const hooks::HookPlan& standard, const Hooks& hooks);

inline constexpr Bytes kMostPlanBytes{64u << 20};

// An empty file that a sandbox may write to and nothing else, as a build's output is.
Result<std::string> make_plan_file(const std::string& directory);

// What `rewriter plan` makes of the rules and the sources of `paths` and `target`. The other alternative: the sources
// or the rules are not such that there can be a plan.
Result<std::variant<hooks::HookPlan, BuildFailure>> plan_hooks(const HookInput& input, const BuildPaths& paths,
                                                               const BuildTarget& target, const Limits& limits);

// What the rewriter prints when it is asked with `words` about the package of `target`.
// Fails with: Fault::input and its words where it says no.
Result<std::string> answer_of_rewriter(const HookInput& input, const BuildPaths& paths, const BuildTarget& target,
                                       const Limits& limits, const std::vector<std::string>& words);

// What the rules come to in these packages of the standard library and all that they are built from. Made without any
// of the submission's code, and kept. Fails with: Fault::host and the rewriter's words; Fault::self where one of
// `packages` is no package of `std_library`.
Result<hooks::HookPlan> standard_plan(const HookInput& input, const StdCache& std_library,
                                      const std::vector<std::string>& packages);

struct HookedStdCache {
  std::string path;           // GOCACHE's lower layer
  std::string packages_path;  // as of a StdCache, of the packages that the program is built from: for compilers
  std::string archives_path;  // likewise for the linker: some have hooks that compilers see nothing of
  UniqueFd held;              // keeps eviction away while a build uses it
};

// The std cache with the standard library packages of `plan` compiled with its hooks: filled once, without any of the
// submission's code, one process at a time. `std_library` itself where the rules touch none of it.
// REQUIRES: `plan` is a standard_plan.
Result<HookedStdCache> hooked_std_cache(const HookInput& input, const StdCache& std_library,
                                        const hooks::HookPlan& plan, Narrator& narrator);

// "rules.yaml:3: rule a: …", as the rewriter says, among the go command's messages, of a rule whose words the compiler
// does not take.
std::optional<std::string> refused_rule(std::string_view messages, const std::string& rules_file);

// What a person should know of the hooks that are not in the program: of the plans' refusals, and of the lines that the
// rewriter wrote among the go command's messages.
std::vector<std::string> hook_notes(const std::vector<hooks::RefusedSite>& refused, std::string_view messages);

}  // namespace sandbox_run::go_build
