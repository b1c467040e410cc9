// The parts of rules.json that say what goes into the binary, as text that is equal where they are.
#pragma once

#include <string>

#include "hooks/rules.h"

namespace sandbox_run::hooks {

std::string join_point_json(const JoinPoint& at);
std::string advice_json(const Advice& advice);

}  // namespace sandbox_run::hooks
