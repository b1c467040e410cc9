// MountPlan: every mount of a launch in order, as plain data: the base tree's and the plan's. Pure; root_tree.h opens
// what is listed here, script.h tells pid 2 to attach it, render() prints it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "launch/plan.h"
#include "namespaces/mount.h"

namespace sandbox_run::launch {

struct PlannedMount {
  enum class Kind { device, bind, tmpfs, alias, overlay };
  Kind kind = Kind::bind;
  std::string source;  // host path of a device, a bind, an overlay's lower tree
  std::string target;
  namespaces::MountAttributes attributes;
  bool optional = false;     // left out where the host has no source
  std::size_t alias_of = 0;  // index of the tmpfs that an alias shows
  unsigned device_major = 0, device_minor = 0;
  Bytes size;
  std::uint64_t inodes = 0;
  const OverlayMount* overlay = nullptr;  // borrowed from the plan

  bool writable() const { return !attributes.read_only && kind != Kind::device; }
};

struct PlannedFile {
  std::string target;
  std::string content;
};

struct MountPlan {
  std::vector<PlannedMount> mounts;
  std::vector<PlannedFile> files;  // small, read-only, in the root's own tmpfs unless a mount is above them
  std::vector<std::string> directories;
  std::vector<std::pair<std::string, std::string>> links;  // path, what it points to
  static constexpr std::size_t kNoScratch = ~std::size_t{0};
  std::size_t scratch = kNoScratch;  // index of the first tmpfs, whose statfs is taken at the end
};

// Fails with: Fault::input on a target that is not absolute and normal ("/a/b": no "..", no "//", no "/" at the end).
Result<MountPlan> plan_mounts(const Plan& plan);

}  // namespace sandbox_run::launch
