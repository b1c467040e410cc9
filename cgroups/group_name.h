// GroupName: the name of one run's group, which tells whether its supervisor still lives.
//
// Form: PID-STARTTIME-PIDNS-ID, decimal numbers and the run's id. A pid alone would be taken again by another process;
// with its start time (clock ticks since boot, field 22 of proc_pid_stat(5)) it names one process of one pid namespace.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sandbox_run::cgroups {

struct Supervisor {
  pid_t pid = 0;
  std::uint64_t start_time = 0;     // clock ticks since boot
  std::uint64_t pid_namespace = 0;  // inode of /proc/PID/ns/pid; 0 where it cannot be read
};

enum class Liveness { alive, gone, unknown };

// This process. Fails with: Fault::host where /proc is not mounted.
Result<Supervisor> this_supervisor();

std::string group_name(const Supervisor& supervisor, std::string_view id);
// Nothing where `name` is not of our form.
std::optional<Supervisor> parse_group_name(std::string_view name);
// [a-z0-9-]+, at most 128 bytes.
bool is_valid_id(std::string_view id);

// unknown: it lived in another pid namespace than `self`, whose processes cannot be told from here.
Liveness liveness(const Supervisor& supervisor, const Supervisor& self);

}  // namespace sandbox_run::cgroups
