// Mounts by descriptor: made detached (fsopen, open_tree), given their attributes before anybody can see them, and
// attached inside by whoever holds them (move_mount). Sources: fsopen(2), open_tree(2), mount_setattr(2).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"

namespace sandbox_run::namespaces {

// What a mount refuses. nosuid is always set.
struct MountAttributes {
  bool read_only = false;
  bool no_devices = true;
  bool no_exec = true;
  bool no_symlinks = false;  // MOUNT_ATTR_NOSYMFOLLOW

  std::uint64_t flags() const;  // MOUNT_ATTR_*
};

struct TmpfsOptions {
  Bytes size;  // rounded up to pages
  std::uint64_t inodes = 0;
  unsigned mode = 0755;  // of its root directory
  uid_t uid = 0;         // host ids
  gid_t gid = 0;
};

// A new, detached tmpfs. The descriptor is usable as a directory (mkdirat, openat) at once.
Result<UniqueFd> make_tmpfs(const TmpfsOptions& options, const MountAttributes& attributes);

// A detached private copy of the mount at `source` (an O_PATH descriptor), with the mounts below it where `recursive`.
Result<UniqueFd> clone_mount(int source, const std::string& name, bool recursive, const MountAttributes& attributes);

// Adds attributes to a detached mount.
Status restrict_mount(int mount, const std::string& name, const MountAttributes& attributes);

// A detached copy of the character device at `path`, checked to be one and to have this number. The mount is read-only,
// which holds for its file and not for what is written to the device.
Result<UniqueFd> clone_device(const std::string& path, unsigned major, unsigned minor);

}  // namespace sandbox_run::namespaces
