#include "namespaces/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdio>

#include "base/files.h"

namespace sandbox_run::namespaces {
namespace {

constexpr int kBusyAttempts = 10'000;  // 5 s: far longer than a clone needs on the busiest machine
constexpr useconds_t kBusyPauseMicroseconds = 500;

}  // namespace

std::uint64_t MountAttributes::flags() const {
  std::uint64_t flags = MOUNT_ATTR_NOSUID;
  if (read_only) flags |= MOUNT_ATTR_RDONLY;
  if (no_devices) flags |= MOUNT_ATTR_NODEV;
  if (no_exec) flags |= MOUNT_ATTR_NOEXEC;
  if (no_symlinks) flags |= MOUNT_ATTR_NOSYMFOLLOW;
  return flags;
}

Result<UniqueFd> make_tmpfs(const TmpfsOptions& options, const MountAttributes& attributes) {
  UniqueFd context(::fsopen("tmpfs", FSOPEN_CLOEXEC));
  if (!context) return host_error(errno, "cannot open a tmpfs context");
  char mode[16];
  std::snprintf(mode, sizeof mode, "%o", options.mode);
  const std::pair<const char*, std::string> settings[] = {
      {"size", std::to_string(options.size.count)}, {"nr_inodes", std::to_string(options.inodes)}, {"mode", mode},
      {"uid", std::to_string(options.uid)},         {"gid", std::to_string(options.gid)},
  };
  for (const auto& [key, value] : settings)
    if (::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) != 0)
      return host_error(errno, std::string("cannot set tmpfs option ") + key + "=" + value);
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return host_error(errno, "cannot create a tmpfs");
  // MOUNT_ATTR_NOSYMFOLLOW is mount_setattr's only before Linux 5.14's fsmount.
  UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes.flags())));
  if (!mount) return host_error(errno, "cannot mount a tmpfs");
  return mount;
}

Result<UniqueFd> clone_mount(int source, const std::string& name, bool recursive, const MountAttributes& attributes) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  UniqueFd mount(::open_tree(source, "", flags));
  if (!mount) return host_error(errno, "cannot clone the mount of " + name);
  mount_attr set{};
  set.attr_set = attributes.flags();
  set.propagation = MS_PRIVATE;
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &set, sizeof set) != 0)
    return host_error(errno, "cannot restrict the mount of " + name);
  return mount;
}

Status restrict_mount(int mount, const std::string& name, const MountAttributes& attributes) {
  mount_attr set{};
  set.attr_set = attributes.flags();
  // EBUSY: a descriptor is open for writing there. We closed ours, but a launch on another thread copied the table
  // while it was open, and its clone drops the copy only when it execs, a moment later.
  for (int attempt = 0;; ++attempt) {
    if (::mount_setattr(mount, "", AT_EMPTY_PATH, &set, sizeof set) == 0) return {};
    if (errno != EBUSY || attempt == kBusyAttempts) return host_error(errno, "cannot restrict the mount of " + name);
    ::usleep(kBusyPauseMicroseconds);
  }
}

Result<UniqueFd> clone_device(const std::string& path, unsigned device_major, unsigned device_minor) {
  TRY(UniqueFd node, open_path(path, O_PATH | O_NOFOLLOW));
  struct stat status {};
  if (::fstat(node.get(), &status) != 0) return host_error(errno, "cannot look at " + path);
  if (!S_ISCHR(status.st_mode) || status.st_rdev != ::makedev(device_major, device_minor))
    return host_error(path + " is not the character device " + std::to_string(device_major) + ":" +
                      std::to_string(device_minor) + "; something replaced it");
  MountAttributes attributes;
  attributes.no_devices = false;
  // The inode is the host's: the device takes writes all the same, the times and the mode of its file take none.
  attributes.read_only = true;
  return clone_mount(node.get(), path, false, attributes);
}

}  // namespace sandbox_run::namespaces
