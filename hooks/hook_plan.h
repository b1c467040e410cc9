// HookPlan: what the rewriter says a build's rules come to: which packages they touch, and what is wrong with them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sandbox_run::hooks {

struct PlannedSite {
  std::uint32_t rule = 0;
  std::string function;  // "os.(*File).Read"
  std::string file;      // as the build sees it
  std::uint32_t line = 0;
};

struct PlannedPackage {
  std::string path;
  bool standard = false;
  std::string hash;  // equal hashes: equal archives
  std::vector<PlannedSite> sites;
};

// A function that a rule matches and that is not hooked.
struct RefusedSite {
  std::uint32_t rule = 0;
  std::string function;
  std::string why;
};

// A rule that cannot be what its author meant.
struct RuleError {
  std::uint32_t rule = 0;
  std::uint32_t line = 0;  // in the rules file
  std::string message;
};

// What a plan's part of the program has for a rule.
struct RuleSummary {
  std::uint32_t rule = 0;
  std::uint64_t sites = 0;
  bool doubt = false;  // something of it may be wrong: only a plan of the whole program tells
};

struct HookPlan {
  std::vector<PlannedPackage> packages;   // by path
  std::vector<std::string> dependencies;  // packages of the standard library that the program is built from, sorted
  std::vector<RefusedSite> refused;
  std::vector<RuleError> errors;
  std::vector<RuleSummary> rules;   // each once
  std::vector<std::string> linked;  // of a part: all packages that the linker was given
};

// The JSON that `rewriter plan` writes (version 1), of a whole program or of the standard library; or a line of those
// that the rewriter adds for each package that it compiles and for each program that is linked (its --plan): a part. It
// was written next to the submission's sources, so it is read with bounds. Fails with: Fault::self and what is wrong
// with it.
Result<HookPlan> parse_hook_plan(std::string_view json);

}  // namespace sandbox_run::hooks
