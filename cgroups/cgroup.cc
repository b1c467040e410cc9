#include "cgroups/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>

#include "base/directory.h"
#include "base/files.h"
#include "cgroups/surroundings.h"

namespace sandbox_run::cgroups {
namespace {

using unit_literals::operator""_MiB;

// A group of another pid namespace is left alone while it may just have been made and not yet entered.
constexpr time_t kForeignGroupIsOldSeconds = 60;

bool has_all(const std::vector<std::string>& have) {
  for (const char* controller : {"memory", "pids", "cpu"})
    if (std::find(have.begin(), have.end(), controller) == have.end()) return false;
  return true;
}

// Empty and old: rmdir itself refuses while anyone stands in it.
bool is_old(int directory, const std::string& name) {
  struct stat status;
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
  return ::time(nullptr) - status.st_ctime > kForeignGroupIsOldSeconds;
}

Result<std::vector<std::string>> subdirectories(const GroupDirectory& top) {
  // A link for the directory itself, one for its ".", and one for each directory below (kernfs_refresh_inode).
  struct stat status;
  if (::fstat(top.fd.get(), &status) == 0 && status.st_nlink == 2) return std::vector<std::string>{};
  std::vector<std::string> names;
  const Status listed = for_each_entry(top.fd.get(), top.path, [&](const dirent& entry) -> Status {
    if (entry.d_type == DT_DIR && entry.d_name[0] != '.') names.emplace_back(entry.d_name);
    return {};
  });
  if (!listed) return cgroup_error(listed.error().sys_errno, "list " + top.path);
  return names;
}

}  // namespace

std::string configured_parent(const CgroupMount& mount, const std::string& parent) {
  std::string path = parent;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path == mount.point || path.starts_with(mount.point + "/")) return path;
  if (path == "/") return mount.point;
  return mount.point + (path.starts_with('/') ? "" : "/") + path;
}

std::uint64_t cpu_quota_microseconds(double cpus) {
  const double quota = std::ceil(cpus * static_cast<double>(kCpuPeriodMicroseconds));
  return std::max<std::uint64_t>(1000, static_cast<std::uint64_t>(quota));
}

Result<int> end_orphans_below(const GroupDirectory& top, const Surroundings& surroundings,
                              const std::function<Status(const std::string& name)>& end) {
  TRY(const std::vector<std::string> names, subdirectories(top));
  int ended = 0;
  Status first_failure;
  for (const std::string& name : names) {
    const auto supervisor = parse_group_name(name);
    if (!supervisor) continue;
    switch (liveness(*supervisor, surroundings.supervisor)) {
      case Liveness::alive:
        break;
      case Liveness::unknown:
        if (is_old(top.fd.get(), name) && ::unlinkat(top.fd.get(), name.c_str(), AT_REMOVEDIR) == 0) ++ended;
        break;
      case Liveness::gone:
        if (auto status = end(name)) {
          ++ended;
        } else if (status.error().sys_errno != EACCES && status.error().sys_errno != EPERM && first_failure) {
          first_failure = std::move(status);  // another user's group is theirs to end
        }
        break;
    }
  }
  if (!first_failure) return std::move(first_failure).error();
  return ended;
}

Result<Surroundings> look_around() {
  Surroundings surroundings;
  TRY(surroundings.mountinfo, read_file("/proc/self/mountinfo", 16_MiB));
  TRY(surroundings.supervisor, this_supervisor());
  if (const char* parent = std::getenv("SANDBOX_RUN_CGROUP")) surroundings.parent = parent;
  return surroundings;
}

Result<std::unique_ptr<Hierarchy>> open_hierarchy(Surroundings surroundings) {
  const std::vector<CgroupMount> mounts = parse_mountinfo(surroundings.mountinfo);
  std::string v2_offers;
  for (const CgroupMount& mount : mounts) {
    if (mount.version != 2) continue;
    const auto controllers = read_file(mount.point + "/cgroup.controllers", Bytes{4096});
    if (controllers && has_all(words(*controllers))) {
      if (surroundings.own_groups.empty()) {
        TRY(surroundings.own_groups, read_file("/proc/self/cgroup", 1_MiB));
      }
      return open_v2(mount, std::move(surroundings));
    }
    v2_offers += "; v2 at " + mount.point + " offers '" +
                 (controllers ? controllers->substr(0, controllers->find('\n')) : "nothing readable") + "'";
  }
  if (find_v1(mounts, "memory") != nullptr) return open_v1(mounts, std::move(surroundings));
  return host_error("cgroup: no mounted hierarchy has the controllers memory, pids and cpu" +
                    (v2_offers.empty() ? "; no cgroup file system is mounted at all" : v2_offers) +
                    ". Mount one ('mount -t cgroup2 none /sys/fs/cgroup'), or in a container ask for it "
                    "(docker run --privileged --cgroupns=private …); 'sandbox-run doctor' checks it");
}

Result<std::unique_ptr<Hierarchy>> Hierarchy::open() {
  TRY(Surroundings surroundings, look_around());
  return open_hierarchy(std::move(surroundings));
}

}  // namespace sandbox_run::cgroups
