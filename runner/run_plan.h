// The plan of a program's run: pure functions of the request.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "launch/plan.h"
#include "report/report.h"
#include "runner/request.h"

namespace sandbox_run::runner {

// GOMAXPROCS: the processors of the quota, rounded up, so the runtime does not keep threads the cgroup will throttle.
// At most half of --pids: the runtime wants a thread for each and some for calls that block, and dies where it gets
// none.
std::uint32_t go_max_procs(const RunLimits& limits);

// GOMEMLIMIT in bytes: 90 % of --memory, so the collector works harder before the kernel ends the run. Measured: 150
// MiB live with heavy churn passes under 256 MiB (tests/contract).
std::uint64_t go_memory_limit(const RunLimits& limits);

// Exactly HOME TMPDIR USER PATH LANG GOMAXPROCS GOMEMLIMIT, then the request's own over them.
std::vector<std::string> environment_of(const Request& request);

// What the report says of the limits.
report::LimitsSection limits_section(const Request& request);

// Whether the source stands read-only at /work: with --with-source, and always for a test.
bool shows_source(const Request& request);

// Fails with: Fault::input where a mount would have to stand in the source, in which no mount point can be made.
Status check_mounts(const Request& request);

// `source_path`: the snapshot's host path where the source is to be seen (--with-source, test), or empty.
// `package`: "." or "./cmd/x", where a test runs. Fails with: Fault::input on an unknown or malformed profile.
Result<launch::Plan> plan_for(const Request& request, const std::string& id, const std::string& source_path,
                              const std::string& package);

// Calls that the rules of a traced run explain go through the supervisor, which answers as the plan's filter would
// have. A filter is compiled here: only for plans that are launched or shown. REQUIRES: `plan` is plan_for(request, …).
Status watch_calls(const Request& request, launch::Plan& plan);

}  // namespace sandbox_run::runner
