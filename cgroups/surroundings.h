// Surroundings: what Hierarchy::open reads of the host, replaceable so that tests stand in any host's shoes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cgroups/cgroup.h"
#include "cgroups/discovery.h"
#include "cgroups/group_directory.h"
#include "cgroups/group_name.h"

namespace sandbox_run::cgroups {

struct Surroundings {
  std::string mountinfo;   // content of /proc/self/mountinfo
  std::string own_groups;  // content of /proc/self/cgroup; empty: read once it is known to matter (v2)
  std::string parent;      // SANDBOX_RUN_CGROUP: a group ("/user.slice/…") or its directory; empty: find one
  Supervisor supervisor;
  KernelInstead kernel;
};

// The real host.
Result<Surroundings> look_around();

Result<std::unique_ptr<Hierarchy>> open_hierarchy(Surroundings surroundings);
// Each of the two by itself; open_hierarchy chooses.
Result<std::unique_ptr<Hierarchy>> open_v1(const std::vector<CgroupMount>& mounts, Surroundings surroundings);
Result<std::unique_ptr<Hierarchy>> open_v2(const CgroupMount& mount, Surroundings surroundings);

constexpr const char* kTopGroup = "sandbox-run";

// Where SANDBOX_RUN_CGROUP lies in this mount: it may be the group's path in the hierarchy or its directory.
std::string configured_parent(const CgroupMount& mount, const std::string& parent);

// cpu.max and cpu.cfs_quota_us: microseconds per period of 100 ms, at least the kernel's minimum of 1 ms.
constexpr std::uint64_t kCpuPeriodMicroseconds = 100'000;
std::uint64_t cpu_quota_microseconds(double cpus);

// Ends what stands below the open directory `top` and belongs to a supervisor that is gone. `end` kills and removes.
Result<int> end_orphans_below(const GroupDirectory& top, const Surroundings& surroundings,
                              const std::function<Status(const std::string& name)>& end);

}  // namespace sandbox_run::cgroups
