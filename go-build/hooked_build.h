// HookedBuild: what a build with hooks has more than another: a plan of what the rules touch, and the standard library
// compiled with those hooks.
#pragma once

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
  std::string run_directory;  // of this build
  int cancel_fd = -1;
};

// The rewriter, its archive and the rules, for the sandbox of a build.
void add_hook_mounts(const HookTool& tool, const Hooks& hooks, BuildPaths& paths);

// The words that make `go build` a hooked one. The rewriter takes part in each compilation, but only a package that a
// rule touches gets a flag of its own, and with it another place in GOCACHE; all others keep theirs.
enum class HookedPart { standard_library, program };
std::vector<std::string> hook_flags(const hooks::HookPlan& plan, HookedPart part);

// What `rewriter plan` makes of the rules and the sources of `paths` and `target`. The other alternative: the sources
// or the rules are not such that there can be a plan.
Result<std::variant<hooks::HookPlan, BuildFailure>> plan_hooks(const HookInput& input, const BuildPaths& paths,
                                                               const BuildTarget& target, const Limits& limits);

// What the rewriter prints when it is asked with `words` about the package of `target`.
// Fails with: Fault::input and its words where it says no.
Result<std::string> ask_rewriter(const HookInput& input, const BuildPaths& paths, const BuildTarget& target,
                                 const Limits& limits, const std::vector<std::string>& words);

struct HookedStdCache {
  std::string path;  // GOCACHE's lower layer
  UniqueFd held;     // keeps eviction away while a build uses it
};

// The std cache with the program's standard library packages compiled with the hooks of `plan`: filled once, without
// any of the submission's code, one process at a time. `std_library` itself where the rules touch none of it.
Result<HookedStdCache> hooked_std_cache(const HookInput& input, const StdCache& std_library,
                                        const hooks::HookPlan& plan, Narrator& narrator);

// What a person should know of the hooks that are not in the program: of `plan`'s refusals, and of the lines that the
// rewriter wrote among the go command's messages.
std::vector<std::string> hook_notes(const hooks::HookPlan& plan, std::string_view messages);

}  // namespace sandbox_run::go_build
