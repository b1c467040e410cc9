// GroupDirectory: one run's directory in one hierarchy, and the three ways it ends: kill, drain, remove.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cgroups/control_file.h"

namespace sandbox_run::cgroups {

// What a kernel does at mkdir and rmdir of a group (its files come and go with it), for tests on a plain directory
// tree. Empty on the real thing.
struct KernelInstead {
  std::function<void(const std::string& path)> after_mkdir;
  std::function<void(const std::string& path)> before_rmdir;
};

struct GroupDirectory {
  std::string path;
  UniqueFd fd;  // O_DIRECTORY
};

// Makes parent/name and opens it. Fails with: Fault::host; nothing is left then.
Result<GroupDirectory> make_group(const std::string& parent, const std::string& name, const KernelInstead& kernel);
// Makes the directory where it is absent, opens it anyway.
Result<GroupDirectory> make_or_open_group(const std::string& parent, const std::string& name,
                                          const KernelInstead& kernel);

// rmdir, again while the kernel still counts a dying member (EBUSY); a member that came in after the kill is killed
// too. Absent is success.
Status remove_group(const GroupDirectory& group, const KernelInstead& kernel);

// SIGKILL to every process of these groups, again and again until all are empty. Forks must already be stopped
// (pids.max 0) or fewer than we kill. Signals go through pidfds, so no reused pid is ever hit.
Status kill_members(const std::vector<const GroupDirectory*>& groups);

// v2: cgroup.kill, then waits for `populated 0`; kernels before 5.14 take kill_members.
Status kill_v2_group(const GroupDirectory& group);

}  // namespace sandbox_run::cgroups
