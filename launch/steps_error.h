// The Error of a failed launch step: "launch root.pivot: cannot …: Operation not permitted; what to do".
#pragma once

#include <string>

#include "base/result.h"
#include "launch/steps.h"

namespace sandbox_run::launch {

// `detail` says on what, may be empty.
Error step_error(Step step, int sys_errno, const std::string& detail);
// Gives an error from another room the step's name.
Error in_step(Step step, Error error);

}  // namespace sandbox_run::launch
