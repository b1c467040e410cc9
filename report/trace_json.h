// What a report and an export say in the same words of a trace.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "hooks/trace.h"

namespace sandbox_run::report {

// `witnesses`; `hits` where a uprobe was there, `begun` where a tracepoint was.
void add_witnesses(const hooks::Trace& trace, nlohmann::ordered_json& json);

}  // namespace sandbox_run::report
