// The system calls that a program began, by who made them.
#pragma once

#include <vector>

#include "hooks/call_probe.h"
#include "hooks/sites.h"
#include "hooks/trace.h"

namespace sandbox_run::hooks {

// Most first. The exec by which the launch itself became the program is left out.
std::vector<CallPlace> places_of(const std::vector<CallCount>& counts, const Sites& sites);

}  // namespace sandbox_run::hooks
