// Arena: a RuleSet in the form that hooks evaluate: records, condition programs, texts and tables (layout.h).
#pragma once

#include <string>

#include "base/result.h"
#include "hooks/rules.h"

namespace sandbox_run::hooks {

// Fails with: Fault::input, naming the rule with which it no longer fits into kArenaSize or a condition's bounds.
Result<std::string> arena_of(const RuleSet& rules);

}  // namespace sandbox_run::hooks
