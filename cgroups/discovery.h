// Discovery: which cgroup file systems are mounted, where, with which controllers. Pure parsing of
// /proc/self/mountinfo and /proc/self/cgroup (proc(5), cgroups(7)).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox_run::cgroups {

struct CgroupMount {
  int version = 0;                       // 1 or 2
  std::string point;                     // where it is mounted
  std::string root;                      // which group of the hierarchy stands there; "/" for all of it
  std::vector<std::string> controllers;  // v1 only: from the super block's options; v2 tells in cgroup.controllers
};

// In mount order. Lines of other file systems and malformed lines are passed over.
std::vector<CgroupMount> parse_mountinfo(std::string_view mountinfo);

// The v1 mount that has `controller`, or null.
const CgroupMount* find_v1(const std::vector<CgroupMount>& mounts, std::string_view controller);

// Our own group in the v2 hierarchy ("0::/user.slice/…"), or nothing.
std::optional<std::string> parse_own_v2_group(std::string_view proc_self_cgroup);

// The directory of `group` below `mount`, or nothing where the mount does not show it.
std::optional<std::string> directory_of(const CgroupMount& mount, std::string_view group);

// Words of `text`, split at single spaces or newlines.
std::vector<std::string> words(std::string_view text);

}  // namespace sandbox_run::cgroups
