// RootTree: the sandbox's root and every other mount of it, opened and detached: nothing of it is visible anywhere yet.
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "launch/mount_plan.h"

namespace sandbox_run::launch {

// Host ids of one sandbox.
struct Identity {
  uid_t program = 0;      // stands behind 1000 inside
  uid_t setup = 0;        // stands behind 0 inside while the sandbox is made, where two ids can be mapped
  bool has_setup = true;  // false: rootless, `program` does the set-up too
};
inline constexpr unsigned kInsideProgramId = 1000;

struct OpenedMount {
  std::size_t planned = 0;  // index into MountPlan::mounts
  UniqueFd mount;
  UniqueFd layers;  // overlay: tmpfs with lower, upper and work
};

struct RootTree {
  UniqueFd root;                    // read-only from here on
  std::vector<OpenedMount> mounts;  // in order of attachment; sources that were optional and absent are left out
  UniqueFd scratch;                 // for fstatfs after the run; empty without a tmpfs
  std::vector<UniqueFd> layers;     // upper layers of overlays, for fstatfs during it
};

// Fails with: Fault::host on a missing source or target, naming both.
Result<RootTree> make_root_tree(const MountPlan& plan, const Identity& identity);

}  // namespace sandbox_run::launch
