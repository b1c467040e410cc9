// Theory of operation. The rules are held against the parts of the program apart:
//   standard library  by standard_plan, in a sandbox without the submission: once for these rules and imports. With it
//                     comes the hooked std cache
//   other packages    by the rewriter as it compiles each of them, every time: it adds a line to a file of the build's
// A rule is in order if some part has a place for it and none has a doubt about it. What a shipped set asks for may be
// missing: it is written for every program. Which packages of the standard library a program is made of is said by the
// sources' imports first, and by the linker in the end: where the two differ, a plan has to be made.
#include "go-build/hooked_compile.h"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <map>
#include <sstream>
#include <tuple>

#include "base/files.h"
#include "go-build/go_command.h"
#include "go-build/inside.h"

namespace sandbox_run::go_build {
namespace {

// What the main function that `go test` writes imports beside the tests. Source: cmd/go/internal/load/test.go.
const std::set<std::string> kImportsOfTestMain = {"os", "reflect", "testing", "testing/internal/testdeps"};

// The standard library's part, ready to be linked.
struct StandardPart {
  hooks::HookPlan plan;
  HookedStdCache library;
};

// nullopt: the plan of the whole program says whose fault that is.
Result<std::optional<StandardPart>> standard_part(const HookInput& input, const StdCache& std_library,
                                                  const std::set<std::string>& imports, Narrator& narrator) {
  std::set<std::string> packages = imports;
  packages.insert("runtime");  // as the go command adds it to every program
  auto plan = standard_plan(input, std_library, {packages.begin(), packages.end()});
  if (!plan && plan.error().sys_errno == ECANCELED) return std::move(plan).error();
  if (!plan) return std::optional<StandardPart>();
  TRY(HookedStdCache library, hooked_std_cache(input, std_library, *plan, narrator));
  return std::optional(StandardPart{std::move(*plan), std::move(library)});
}

// Where the rewriter adds what it finds in each package: a plan a line.
Result<std::string> add_parts_file(const HookInput& input, BuildPaths& paths) {
  TRY(std::string file, make_plan_file(input.run_directory));
  paths.more.push_back(launch::BindMount{file, std::string(inside::kHookPlan), true, false});
  return file;
}

// The parts as one plan, which has each rule once for each part. nullopt: they are more than that; a plan would be too.
Result<std::optional<hooks::HookPlan>> read_parts(const std::string& file) {
  const auto text = read_file(file, kMostPlanBytes);
  if (!text && text.error().sys_errno == EFBIG) return std::optional<hooks::HookPlan>();
  if (!text) return text.error();
  hooks::HookPlan all;
  auto append = [](auto& to, auto& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    TRY(hooks::HookPlan part, hooks::parse_hook_plan(line));
    append(all.linked, part.linked);
    append(all.refused, part.refused);
    append(all.rules, part.rules);
  }
  // Packages are compiled in any order.
  auto place = [](const hooks::RefusedSite& site) { return std::tie(site.function, site.rule, site.why); };
  std::sort(all.refused.begin(), all.refused.end(),
            [&](const auto& one, const auto& other) { return place(one) < place(other); });
  return std::optional(std::move(all));
}

bool in_order(const hooks::HookPlan& standard, const hooks::HookPlan& parts, const Hooks& hooks) {
  std::map<std::uint32_t, hooks::RuleSummary> all;
  for (const auto* plan : {&standard, &parts})
    for (const hooks::RuleSummary& rule : plan->rules) {
      hooks::RuleSummary& sum = all[rule.rule];
      sum.sites += rule.sites;
      sum.doubt = sum.doubt || rule.doubt;
    }
  for (const auto& [rule, sum] : all)
    if (!hooks.shipped_rules.contains(rule) && (sum.sites == 0 || sum.doubt)) return false;
  return true;
}

// Whether the packages of the standard library that were linked are those of `standard`: one more would lack its hooks,
// and one less would have answered for a rule in vain.
bool linked_as_planned(const hooks::HookPlan& standard, const std::vector<std::string>& linked,
                       const PackageNames& of_std) {
  std::set<std::string_view> planned, found;
  auto take = [&of_std](std::set<std::string_view>& into) {
    return [&](const std::string& name) {
      if (of_std.contains(name)) into.insert(name);
    };
  };
  std::for_each(standard.dependencies.begin(), standard.dependencies.end(), take(planned));
  std::for_each(linked.begin(), linked.end(), take(found));
  return planned == found;
}

std::vector<std::string> notes_of(const hooks::HookPlan& standard, const hooks::HookPlan& parts,
                                  std::string_view messages) {
  std::vector<hooks::RefusedSite> refused = standard.refused;
  refused.insert(refused.end(), parts.refused.begin(), parts.refused.end());
  return hook_notes(refused, messages);
}

}  // namespace

Result<std::optional<HookedCompile>> replay_hooked(ReplayInput replayed, const ReplaySource& source,
                                                   const HookInput& input, Narrator& narrator) {
  TRY(const auto standard, standard_part(input, replayed.std_library, source.imports, narrator));
  if (!standard) return std::optional<HookedCompile>();
  BuildPaths paths;
  add_hook_mounts(input.tool, input.hooks, paths);
  TRY(const std::string parts_file, add_parts_file(input, paths));
  const ReplayHooks hooks{input.tool.rewriter, standard->library.path, standard->library.packages_path,
                          standard->library.archives_path, std::move(paths.more)};
  replayed.hooks = &hooks;
  TRY(auto facts, replay(replayed, source));
  if (!facts) return std::optional<HookedCompile>();
  HookedCompile result;
  if (succeeded(*facts)) {
    TRY(const auto parts, read_parts(parts_file));
    if (!parts || !in_order(standard->plan, *parts, input.hooks)) return std::optional<HookedCompile>();
    result.notes = notes_of(standard->plan, *parts, "");
  }
  result.facts = std::move(*facts);
  return std::optional(std::move(result));
}

Result<std::optional<HookedCompile>> compile_hooked(const HookInput& input, const StdCache& std_library,
                                                    BuildPaths paths, BuildTarget target, const Limits& limits,
                                                    const std::set<std::string>& standard_imports, Narrator& narrator) {
  TRY(const PackageNames of_std, std_package_names(std_library));
  std::set<std::string> imports = target.test_binary ? kImportsOfTestMain : std::set<std::string>();
  std::copy_if(standard_imports.begin(), standard_imports.end(), std::inserter(imports, imports.end()),
               [&](const std::string& name) { return of_std.contains(name); });
  TRY(const auto standard, standard_part(input, std_library, imports, narrator));
  if (!standard) return std::optional<HookedCompile>();
  add_hook_mounts(input.tool, input.hooks, paths);
  TRY(const std::string parts_file, add_parts_file(input, paths));
  paths.std_cache = standard->library.path;
  target.hook_flags = hook_flags_of_parts(standard->plan, input.hooks);
  target.symbol_table = true;
  TRY(launch::Facts facts, run_go(input.host, build_plan(paths, limits, unique_id("build"), std::time(nullptr)),
                                  input.toolchain, build_command(target, limits, processors()), -1, input.cancel_fd));
  HookedCompile result;
  if (succeeded(facts)) {
    TRY(const auto parts, read_parts(parts_file));
    if (!parts || !linked_as_planned(standard->plan, parts->linked, of_std) ||
        !in_order(standard->plan, *parts, input.hooks))
      return std::optional<HookedCompile>();
    result.notes = notes_of(standard->plan, *parts, facts.stderr_stream.captured);
  } else if (refused_rule(facts.stderr_stream.captured, input.hooks.rules_file)) {
    return std::optional<HookedCompile>();
  }
  result.facts = std::move(facts);
  return std::optional(std::move(result));
}

}  // namespace sandbox_run::go_build
