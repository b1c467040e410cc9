// The conditions of a rule: "prot within PROT_READ+PROT_WRITE & flags=={0, MAP_PRIVATE}" becomes alternatives.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "seccomp-profiles/profile.h"

namespace sandbox_run::seccomp_profiles {

using Alternatives = std::vector<std::vector<Condition>>;

// Fails with: Fault::input; the message lacks NAME:LINE, which the caller knows.
Result<Alternatives> parse_conditions(std::string_view syscall, std::string_view text);

// No arguments fulfil both.
bool disjoint(const std::vector<Condition>& a, const std::vector<Condition>& b);
// Whatever fulfils `a` fulfils `b`. May say no where a cleverer reader would say yes.
bool implies(const std::vector<Condition>& a, const std::vector<Condition>& b);

}  // namespace sandbox_run::seccomp_profiles
