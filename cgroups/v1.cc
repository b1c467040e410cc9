// cgroup v1 (Documentation/admin-guide/cgroup-v1/): every controller its own hierarchy, so a run has one directory in
// each. Controllers that share a mount (cpu and cpuacct mostly do) share a directory.
//
// v1 has no group kill. Ours: pids.max 0 stops every fork at once, then SIGKILL goes round until all directories are
// empty; where the pids controller counts nobody any more, there is nothing to go round for. It has no memory.oom.group
// either: the kernel kills one process, and the supervisor ends the run.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "cgroups/control_file.h"
#include "cgroups/surroundings.h"

namespace sandbox_run::cgroups {
namespace {

constexpr const char* kControllers[] = {"memory", "pids", "cpu", "cpuacct"};

CpuTime from_nanoseconds(std::uint64_t nanoseconds) {
  return CpuTime{std::chrono::microseconds(static_cast<std::int64_t>(nanoseconds / 1000))};
}

// Our top-level group in each distinct mount, and which mount each controller has.
struct Tops {
  std::vector<GroupDirectory> groups;
  std::size_t memory = 0, pids = 0, cpu = 0, cpuacct = 0;
};

class V1Cgroup final : public Cgroup {
 public:
  V1Cgroup(const Tops& tops, const KernelInstead& kernel) : tops_(tops), kernel_(kernel) {}
  ~V1Cgroup() override;

  Status make(const std::string& name, const Limits& limits);

  int clone_into() const override { return -1; }
  std::vector<int> join_files() const override;
  Result<CpuTime> cpu_time() const override;
  Result<CpuUsage> cpu_usage() const override;
  Result<Bytes> memory_now() const override;
  Status begin() override;
  Result<Usage> usage() const override;
  Status kill() override;
  Status remove() override;

 private:
  Status set_limits(const Limits& limits);
  Status open_counters();
  Result<bool> counts_nobody() const;

  const Tops& tops_;
  const KernelInstead& kernel_;
  std::vector<GroupDirectory> directories_;  // as in tops_.groups; an index there is an index here
  std::vector<ControlFile> join_;
  ControlFile cpu_usage_, cpu_user_, cpu_system_;
  ControlFile memory_usage_, memory_peak_, oom_control_;
  ControlFile pids_max_, pids_current_, pids_events_, pids_peak_;  // pids.peak: 6.1 and later
  // Our own pids.max 0 makes forks fail too, which must not be counted against the program.
  std::optional<std::uint64_t> limit_hits_before_kill_;
};

class V1Hierarchy final : public Hierarchy {
 public:
  V1Hierarchy(Tops tops, Surroundings surroundings) : tops_(std::move(tops)), surroundings_(std::move(surroundings)) {}
  int version() const override { return 1; }
  Result<std::unique_ptr<Cgroup>> create(std::string_view id, const Limits& limits) override;
  Result<int> end_orphans() override;
  std::string description() const override;
  std::vector<std::string> missing_counters() const override;

 private:
  Status end(const std::string& name);

  const Tops tops_;
  const Surroundings surroundings_;
};

V1Cgroup::~V1Cgroup() {
  if (directories_.empty()) return;
  (void)kill();
  (void)remove();
}

Status V1Cgroup::make(const std::string& name, const Limits& limits) {
  for (const GroupDirectory& top : tops_.groups) {
    TRY(GroupDirectory directory, make_group(top.path, name, kernel_));
    directories_.push_back(std::move(directory));
  }
  TRY_STATUS(set_limits(limits));
  for (const GroupDirectory& directory : directories_) {
    TRY(ControlFile tasks, ControlFile::open(directory.fd.get(), directory.path, "tasks", O_WRONLY));
    join_.push_back(std::move(tasks));
  }
  return open_counters();
}

Status V1Cgroup::set_limits(const Limits& limits) {
  const GroupDirectory& memory = directories_[tops_.memory];
  const std::string bytes = std::to_string(limits.memory.count);
  // Kernel memory counts here too since 5.11; memory.kmem.limit_in_bytes has been without effect since then.
  TRY_STATUS(write_control(memory.fd.get(), memory.path, "memory.limit_in_bytes", bytes));
  // Memory and swap together: present where the kernel counts swap, and then it must not exceed memory alone.
  TRY_STATUS(write_control_if_present(memory.fd.get(), memory.path, "memory.memsw.limit_in_bytes", bytes));

  const GroupDirectory& pids = directories_[tops_.pids];
  TRY(pids_max_, ControlFile::open(pids.fd.get(), pids.path, "pids.max", O_WRONLY));
  TRY_STATUS(pids_max_.write(std::to_string(limits.processes)));

  if (limits.cpus <= 0) return {};
  // The period is the kernel's own for a new group, kCpuPeriodMicroseconds.
  const GroupDirectory& cpu = directories_[tops_.cpu];
  auto status =
      write_control(cpu.fd.get(), cpu.path, "cpu.cfs_quota_us", std::to_string(cpu_quota_microseconds(limits.cpus)));
  // v1 takes no quota above the parent's (tg_cfs_schedulable_down in kernel/sched/core.c).
  if (!status && status.error().sys_errno == EINVAL)
    return host_error(EINVAL, fmt::format("cgroup: cannot give {} CPUs to {}, more than the group above it has; ask "
                                          "for fewer (--cpus)",
                                          limits.cpus, cpu.path));
  return status;
}

Status V1Cgroup::open_counters() {
  const auto open = [](const GroupDirectory& directory, const char* name, int flags = O_RDONLY) {
    return ControlFile::open(directory.fd.get(), directory.path, name, flags);
  };
  const GroupDirectory& cpuacct = directories_[tops_.cpuacct];
  TRY(cpu_usage_, open(cpuacct, "cpuacct.usage"));
  TRY(cpu_user_, open(cpuacct, "cpuacct.usage_user"));
  TRY(cpu_system_, open(cpuacct, "cpuacct.usage_sys"));
  const GroupDirectory& memory = directories_[tops_.memory];
  TRY(memory_usage_, open(memory, "memory.usage_in_bytes"));
  TRY(memory_peak_, open(memory, "memory.max_usage_in_bytes", O_RDWR));
  TRY(oom_control_, open(memory, "memory.oom_control"));
  const GroupDirectory& pids = directories_[tops_.pids];
  TRY(pids_current_, open(pids, "pids.current"));
  TRY(pids_events_, open(pids, "pids.events"));
  TRY(pids_peak_, ControlFile::open_if_present(pids.fd.get(), pids.path, "pids.peak", O_RDONLY));
  return {};
}

std::vector<int> V1Cgroup::join_files() const {
  std::vector<int> fds;
  for (const ControlFile& file : join_) fds.push_back(file.fd());
  return fds;
}

Status V1Cgroup::begin() {
  join_.clear();
  return memory_peak_.write("0");
}

Result<CpuTime> V1Cgroup::cpu_time() const {
  TRY(const std::uint64_t nanoseconds, cpu_usage_.number());
  return from_nanoseconds(nanoseconds);
}

Result<Bytes> V1Cgroup::memory_now() const {
  TRY(const std::uint64_t bytes, memory_usage_.number());
  return Bytes{bytes};
}

Result<CpuUsage> V1Cgroup::cpu_usage() const {
  TRY(const CpuTime all, cpu_time());
  TRY(const std::uint64_t user, cpu_user_.number());
  TRY(const std::uint64_t system, cpu_system_.number());
  return CpuUsage{all, from_nanoseconds(user), from_nanoseconds(system)};
}

Result<Usage> V1Cgroup::usage() const {
  Usage usage;
  TRY(static_cast<CpuUsage&>(usage), cpu_usage());
  TRY(usage.memory_peak.count, memory_peak_.number());
  TRY(usage.oom_kills, oom_control_.value_of("oom_kill"));
  if (limit_hits_before_kill_) {
    usage.process_limit_hits = *limit_hits_before_kill_;
  } else {
    TRY(usage.process_limit_hits, pids_events_.value_of("max"));
  }
  if (pids_peak_) {
    TRY(const std::uint64_t peak, pids_peak_.number());
    usage.processes_peak = static_cast<std::uint32_t>(peak);
  }
  return usage;
}

// Zombies count until they are reaped, and who has joined another controller's directory and not yet this one is found
// by remove(), which rmdir refuses while anyone stands in it.
Result<bool> V1Cgroup::counts_nobody() const {
  if (!pids_current_) return false;  // make() did not come to its end
  TRY(const std::uint64_t tasks, pids_current_.number());
  return tasks == 0;
}

Status V1Cgroup::kill() {
  join_.clear();  // nobody joins any more, and their descriptors are what the pidfds below may need
  TRY(const bool empty, counts_nobody());
  if (empty) return {};
  if (pids_max_) {
    if (pids_events_ && !limit_hits_before_kill_) {
      TRY(limit_hits_before_kill_, pids_events_.value_of("max"));
    }
    TRY_STATUS(pids_max_.write("0"));
  }
  std::vector<const GroupDirectory*> groups;
  for (const GroupDirectory& directory : directories_) groups.push_back(&directory);
  return kill_members(groups);
}

Status V1Cgroup::remove() {
  Status result;
  for (const GroupDirectory& directory : directories_) {
    auto status = remove_group(directory, kernel_);
    if (!status && result) result = std::move(status);
  }
  directories_.clear();
  return result;
}

Result<std::unique_ptr<Cgroup>> V1Hierarchy::create(std::string_view id, const Limits& limits) {
  if (!is_valid_id(id)) return self_error("cgroup: '" + std::string(id) + "' is no run id ([a-z0-9-]+)");
  auto group = std::make_unique<V1Cgroup>(tops_, surroundings_.kernel);
  TRY_STATUS(group->make(group_name(surroundings_.supervisor, id), limits));
  return std::unique_ptr<Cgroup>(std::move(group));
}

std::string V1Hierarchy::description() const {
  return fmt::format("v1: memory {}, pids {}, cpu {}, cpuacct {}", tops_.groups[tops_.memory].path,
                     tops_.groups[tops_.pids].path, tops_.groups[tops_.cpu].path, tops_.groups[tops_.cpuacct].path);
}

std::vector<std::string> V1Hierarchy::missing_counters() const {
  const GroupDirectory& pids = tops_.groups[tops_.pids];
  if (::faccessat(pids.fd.get(), "pids.peak", F_OK, 0) == 0) return {};
  return {"pids.peak (Linux 6.1): processes_peak is reported as 0"};
}

// An orphan's directories all bear the same name. What its supervisor had not yet made, or had removed, is absent.
Status V1Hierarchy::end(const std::string& name) {
  std::vector<GroupDirectory> directories;
  std::vector<const GroupDirectory*> groups;
  directories.reserve(tops_.groups.size());
  for (const GroupDirectory& top : tops_.groups) {
    GroupDirectory directory;
    directory.path = top.path + "/" + name;
    directory.fd.reset(::openat(top.fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.fd && errno == ENOENT) continue;
    if (!directory.fd) return cgroup_error(errno, "open " + directory.path);
    if (&top == &tops_.groups[tops_.pids])
      TRY_STATUS(write_control(directory.fd.get(), directory.path, "pids.max", "0"));
    directories.push_back(std::move(directory));
    groups.push_back(&directories.back());
  }
  if (groups.empty()) return {};
  TRY_STATUS(kill_members(groups));
  for (const GroupDirectory& directory : directories) TRY_STATUS(remove_group(directory, surroundings_.kernel));
  return {};
}

Result<int> V1Hierarchy::end_orphans() {
  int ended = 0;
  // Each hierarchy is looked through: a supervisor killed between two mkdirs left a directory in the first only.
  for (const GroupDirectory& top : tops_.groups) {
    TRY(const int here, end_orphans_below(top, surroundings_, [this](const std::string& name) { return end(name); }));
    ended += here;
  }
  return ended;
}

// A new memory group starts with its parent's values (mem_cgroup_css_alloc in mm/memcontrol.c), so what is the same for
// every run is written once, here.
Status set_inherited(const GroupDirectory& memory) {
  // Without swap accounting this keeps the group's own reclaim from swapping its way around the limit.
  TRY_STATUS(write_control(memory.fd.get(), memory.path, "memory.swappiness", "0"));
  // An operator may have turned the killer off above us: tasks over the limit would then sleep for ever.
  return write_control(memory.fd.get(), memory.path, "memory.oom_control", "0");
}

Result<std::size_t> add_top(Tops& tops, const CgroupMount& mount, const Surroundings& surroundings) {
  const std::string parent = surroundings.parent.empty() ? mount.point : configured_parent(mount, surroundings.parent);
  const std::string path = parent + "/" + kTopGroup;
  for (std::size_t i = 0; i < tops.groups.size(); ++i)
    if (tops.groups[i].path == path) return i;
  TRY(GroupDirectory top, make_or_open_group(parent, kTopGroup, surroundings.kernel));
  tops.groups.push_back(std::move(top));
  return tops.groups.size() - 1;
}

}  // namespace

Result<std::unique_ptr<Hierarchy>> open_v1(const std::vector<CgroupMount>& mounts, Surroundings surroundings) {
  Tops tops;
  std::size_t* const places[] = {&tops.memory, &tops.pids, &tops.cpu, &tops.cpuacct};
  for (std::size_t i = 0; i < std::size(kControllers); ++i) {
    const CgroupMount* const mount = find_v1(mounts, kControllers[i]);
    if (mount == nullptr)
      return host_error(
          fmt::format("cgroup {0}: no mounted hierarchy has this controller. Mount it ('mount -t cgroup "
                      "-o {0} none /sys/fs/cgroup/{0}'), or boot with it enabled (no cgroup_disable={0} "
                      "on the kernel's command line); 'sandbox-run doctor' checks it",
                      kControllers[i]));
    auto place = add_top(tops, *mount, surroundings);
    if (!place) {
      // The v1 form of the message names the controller: "cgroup memory: cannot create …".
      Error error = std::move(place).error();
      error.what.replace(0, std::string_view("cgroup:").size(), fmt::format("cgroup {}:", kControllers[i]));
      return error;
    }
    *places[i] = *place;
  }
  TRY_STATUS(set_inherited(tops.groups[tops.memory]));
  return std::unique_ptr<Hierarchy>(std::make_unique<V1Hierarchy>(std::move(tops), std::move(surroundings)));
}

}  // namespace sandbox_run::cgroups
