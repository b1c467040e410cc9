// Theory of operation. The rules are held against the two parts of the program apart:
//   standard library  by standard_plan, in a sandbox without the submission: once for these rules and imports. With it
//                     comes the hooked std cache
//   main package      by the rewriter as it compiles the package, each time
// A rule is in order if some part has a place for it and none has a doubt about it. What a shipped set asks for may be
// missing: it is written for every program.
#include "go-build/hooked_replay.h"

#include <fmt/format.h>

#include <map>

#include "base/files.h"
#include "go-build/inside.h"

namespace sandbox_run::go_build {
namespace {

constexpr Bytes kMostPlanBytes{64u << 20};

bool in_order(const hooks::HookPlan& standard, const hooks::HookPlan& main, const Hooks& hooks) {
  std::map<std::uint32_t, hooks::RuleSummary> all;
  for (const auto* plan : {&standard, &main})
    for (const hooks::RuleSummary& rule : plan->rules) {
      hooks::RuleSummary& sum = all[rule.rule];
      sum.sites += rule.sites;
      sum.doubt = sum.doubt || rule.doubt;
    }
  for (const auto& [rule, sum] : all)
    if (!hooks.shipped_rules.contains(rule) && (sum.sites == 0 || sum.doubt)) return false;
  return true;
}

}  // namespace

Result<std::optional<HookedReplay>> replay_hooked(ReplayInput replayed, const ReplaySource& source,
                                                  const HookInput& input, Narrator& narrator) {
  std::vector<std::string> packages(source.imports.begin(), source.imports.end());
  packages.push_back("runtime");
  auto standard = standard_plan(input, replayed.std_library, packages);
  if (!standard && standard.error().sys_errno == ECANCELED) return std::move(standard).error();
  if (!standard) return std::optional<HookedReplay>();  // the plan of the whole program says whose fault that is
  TRY(const HookedStdCache hooked_std, hooked_std_cache(input, replayed.std_library, *standard, narrator));
  TRY(const std::string plan_file, make_plan_file(input.run_directory));
  BuildPaths paths;
  add_hook_mounts(input.tool, input.hooks, paths);
  paths.more.push_back(launch::BindMount{plan_file, std::string(inside::kHookPlan), true, false});
  const ReplayHooks hooks{input.tool.rewriter, hooked_std.path, hooked_std.packages_path, hooked_std.archives_path,
                          std::move(paths.more)};
  replayed.hooks = &hooks;
  TRY(auto facts, replay(replayed, source));
  if (!facts) return std::optional<HookedReplay>();
  HookedReplay result;
  if (succeeded(*facts)) {
    TRY(const std::string text, read_file(plan_file, kMostPlanBytes));
    TRY(const hooks::HookPlan main, hooks::parse_hook_plan(text));
    if (!in_order(*standard, main, input.hooks)) return std::optional<HookedReplay>();
    std::vector<hooks::RefusedSite> refused = standard->refused;
    refused.insert(refused.end(), main.refused.begin(), main.refused.end());
    result.notes = hook_notes(refused, "");
  }
  result.facts = std::move(*facts);
  return std::optional(std::move(result));
}

}  // namespace sandbox_run::go_build
