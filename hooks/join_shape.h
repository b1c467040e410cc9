// Shape: what a join point's hooks stand in: functions, calls or literals.
#pragma once

#include "hooks/rules.h"

namespace sandbox_run::hooks {

// Restrictions (package, module, `not`) are of the shape of what they restrict.
struct Shape {
  bool function = false, call = false, literal = false;
};
Shape shape_of(const JoinPoint& at);

// `not` alone matches nearly everything there is.
bool only_negative(const JoinPoint& at);

}  // namespace sandbox_run::hooks
