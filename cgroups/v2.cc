// cgroup v2 (Documentation/admin-guide/cgroup-v2.rst). One hierarchy; the work is in finding a parent.
//
// A group whose children have limited memory and processes may hold no process itself ("no internal process
// constraint"), except the hierarchy's real root. So a parent must be: writable, with the three controllers, and either
// free of processes or already passing the controllers on. Candidates in order: SANDBOX_RUN_CGROUP alone where it is
// set; else as root the mounted top; then the group we stand in and its ancestors. Where none of them does and we are
// the only process of one (a container's pid 1, a `systemd-run --scope`), we step down into a leaf of our own group
// there, and step up again at the end: a group that passes controllers on takes no process, and ours must take the next
// one.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/files.h"
#include "cgroups/control_file.h"
#include "cgroups/surroundings.h"

namespace sandbox_run::cgroups {
namespace {

constexpr const char* kControllers[] = {"memory", "pids", "cpu"};
constexpr const char* kSupervisorLeaf = "supervisor";  // not of GroupName's form: end_orphans passes it over

CpuTime from_microseconds(std::uint64_t microseconds) {
  return CpuTime{std::chrono::microseconds(static_cast<std::int64_t>(microseconds))};
}

class V2Cgroup final : public Cgroup {
 public:
  explicit V2Cgroup(const KernelInstead& kernel) : kernel_(kernel) {}
  ~V2Cgroup() override;

  Status make(const std::string& parent, const std::string& name, const Limits& limits);

  int clone_into() const override { return directory_.fd.get(); }
  std::vector<int> join_files() const override { return {}; }
  Result<CpuTime> cpu_time() const override;
  Result<Bytes> memory_now() const override;
  Result<CpuUsage> cpu_usage() const override;
  Status begin() override;
  Result<Usage> usage() const override;
  Status kill() override;
  Status remove() override;

 private:
  Status set_limits(const Limits& limits);
  Status open_counters();

  const KernelInstead& kernel_;
  GroupDirectory directory_;
  ControlFile cpu_stat_, memory_current_, memory_events_, pids_events_;
  ControlFile memory_peak_, pids_peak_;  // Linux 5.19 and 6.1
  mutable Bytes largest_sample_;         // stands in for memory.peak where there is none
};

struct Parent {
  GroupDirectory above;
  GroupDirectory top;
  bool stepped_down = false;
};

class V2Hierarchy final : public Hierarchy {
 public:
  V2Hierarchy(Parent parent, Surroundings surroundings)
      : parent_(std::move(parent)), top_(parent_.top), surroundings_(std::move(surroundings)) {}
  ~V2Hierarchy() override;
  int version() const override { return 2; }
  Result<std::unique_ptr<Cgroup>> create(std::string_view id, const Limits& limits) override;
  Result<int> end_orphans() override;
  std::string description() const override { return "v2: " + top_.path; }
  std::vector<std::string> missing_counters() const override;

 private:
  const Parent parent_;
  const GroupDirectory& top_;
  const Surroundings surroundings_;
};

V2Cgroup::~V2Cgroup() {
  if (!directory_.fd) return;
  (void)kill();
  (void)remove();
}

Status V2Cgroup::make(const std::string& parent, const std::string& name, const Limits& limits) {
  TRY(directory_, make_group(parent, name, kernel_));
  TRY_STATUS(set_limits(limits));
  return open_counters();
}

Status V2Cgroup::set_limits(const Limits& limits) {
  const int fd = directory_.fd.get();
  const std::string& path = directory_.path;
  TRY_STATUS(write_control(fd, path, "memory.max", std::to_string(limits.memory.count)));
  // Absent where the kernel has no swap, or no zswap; then there is nothing to forbid.
  TRY_STATUS(write_control_if_present(fd, path, "memory.swap.max", "0"));
  TRY_STATUS(write_control_if_present(fd, path, "memory.zswap.max", "0"));
  TRY_STATUS(write_control(fd, path, "memory.oom.group", "1"));
  TRY_STATUS(write_control(fd, path, "pids.max", std::to_string(limits.processes)));
  TRY_STATUS(write_control(fd, path, "cgroup.max.descendants", "0"));
  if (limits.cpus <= 0) return {};
  return write_control(fd, path, "cpu.max",
                       fmt::format("{} {}", cpu_quota_microseconds(limits.cpus), kCpuPeriodMicroseconds));
}

Status V2Cgroup::open_counters() {
  const auto open = [this](const char* name) {
    return ControlFile::open(directory_.fd.get(), directory_.path, name, O_RDONLY);
  };
  TRY(cpu_stat_, open("cpu.stat"));
  TRY(memory_current_, open("memory.current"));
  TRY(memory_events_, open("memory.events"));
  TRY(pids_events_, open("pids.events"));
  const auto open_if_present = [this](const char* name) {
    return ControlFile::open_if_present(directory_.fd.get(), directory_.path, name, O_RDONLY);
  };
  TRY(memory_peak_, open_if_present("memory.peak"));
  TRY(pids_peak_, open_if_present("pids.peak"));
  return {};
}

Result<CpuTime> V2Cgroup::cpu_time() const {
  TRY(const std::uint64_t microseconds, cpu_stat_.value_of("usage_usec"));
  return from_microseconds(microseconds);
}

Result<Bytes> V2Cgroup::memory_now() const {
  TRY(const std::uint64_t bytes, memory_current_.number());
  largest_sample_ = std::max(largest_sample_, Bytes{bytes});
  return Bytes{bytes};
}

Result<CpuUsage> V2Cgroup::cpu_usage() const {
  TRY(const std::string cpu, cpu_stat_.text());  // one read: the three belong together
  TRY(const std::uint64_t total, find_key(cpu, "usage_usec", cpu_stat_.path()));
  TRY(const std::uint64_t user, find_key(cpu, "user_usec", cpu_stat_.path()));
  TRY(const std::uint64_t system, find_key(cpu, "system_usec", cpu_stat_.path()));
  return CpuUsage{from_microseconds(total), from_microseconds(user), from_microseconds(system)};
}

Result<Usage> V2Cgroup::usage() const {
  Usage usage;
  TRY(static_cast<CpuUsage&>(usage), cpu_usage());
  TRY(const Bytes now, memory_now());
  usage.memory_peak = std::max(now, largest_sample_);
  if (memory_peak_) {
    TRY(usage.memory_peak.count, memory_peak_.number());
  }
  TRY(usage.oom_kills, memory_events_.value_of("oom_kill"));
  TRY(usage.process_limit_hits, pids_events_.value_of("max"));
  if (pids_peak_) {
    TRY(const std::uint64_t peak, pids_peak_.number());
    usage.processes_peak = static_cast<std::uint32_t>(peak);
  }
  return usage;
}

// Written to, memory.peak starts anew for the readers of that one open file (Documentation/admin-guide/cgroup-v2.rst).
Status V2Cgroup::begin() {
  largest_sample_ = Bytes{0};
  auto file = ControlFile::open(directory_.fd.get(), directory_.path, "memory.peak", O_RDWR);
  if (file && file->write("reset")) memory_peak_ = std::move(*file);
  return {};
}

Status V2Cgroup::kill() { return directory_.fd ? kill_v2_group(directory_) : Status{}; }

Status V2Cgroup::remove() {
  if (!directory_.fd) return {};
  auto status = remove_group(directory_, kernel_);
  directory_.fd.reset();
  return status;
}

Result<bool> only_we_stand_in(const GroupDirectory& group, const Surroundings& surroundings) {
  TRY(const ControlFile file, ControlFile::open(group.fd.get(), group.path, "cgroup.procs", O_RDONLY));
  TRY(const std::string text, file.text());
  const std::vector<std::string> pids = words(text);
  return pids.size() == 1 && pids.front() == std::to_string(surroundings.supervisor.pid);
}

// Taking controllers away takes limits off whatever run stands below, so it is done only when nothing does: first no
// new group may be made, then none may be there but our leaf, with us alone in it.
Status step_up(const Parent& parent, const Surroundings& surroundings) {
  const GroupDirectory& top = parent.top;
  TRY_STATUS(write_control(top.fd.get(), top.path, "cgroup.max.descendants", "1"));
  TRY(const ControlFile stat, ControlFile::open(top.fd.get(), top.path, "cgroup.stat", O_RDONLY));
  TRY(const std::uint64_t groups, stat.value_of("nr_descendants"));
  TRY(const GroupDirectory leaf, make_or_open_group(top.path, kSupervisorLeaf, surroundings.kernel));
  TRY(const bool alone, only_we_stand_in(leaf, surroundings));
  if (groups != 1 || !alone) return write_control(top.fd.get(), top.path, "cgroup.max.descendants", "max");
  for (const GroupDirectory* group : {&top, &parent.above})
    TRY_STATUS(write_control(group->fd.get(), group->path, "cgroup.subtree_control", "-memory -pids -cpu"));
  TRY_STATUS(write_control(parent.above.fd.get(), parent.above.path, "cgroup.procs", "0"));
  TRY_STATUS(remove_group(leaf, surroundings.kernel));
  return remove_group(top, surroundings.kernel);
}

// Whoever started us may want the next process where we stood. What fails here leaves a group of ours behind, usable
// but not to be entered.
V2Hierarchy::~V2Hierarchy() {
  if (parent_.stepped_down) (void)step_up(parent_, surroundings_);
}

Result<std::unique_ptr<Cgroup>> V2Hierarchy::create(std::string_view id, const Limits& limits) {
  if (!is_valid_id(id)) return self_error("cgroup: '" + std::string(id) + "' is no run id ([a-z0-9-]+)");
  auto group = std::make_unique<V2Cgroup>(surroundings_.kernel);
  TRY_STATUS(group->make(top_.path, group_name(surroundings_.supervisor, id), limits));
  return std::unique_ptr<Cgroup>(std::move(group));
}

Result<int> V2Hierarchy::end_orphans() {
  return end_orphans_below(top_, surroundings_, [this](const std::string& name) -> Status {
    GroupDirectory directory;
    directory.path = top_.path + "/" + name;
    directory.fd.reset(::openat(top_.fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.fd && errno == ENOENT) return {};
    if (!directory.fd) return cgroup_error(errno, "open " + directory.path);
    TRY_STATUS(kill_v2_group(directory));
    return remove_group(directory, surroundings_.kernel);
  });
}

// Files of a run's group are told from our own top group, which has the same controllers.
std::vector<std::string> V2Hierarchy::missing_counters() const {
  std::vector<std::string> missing;
  if (::faccessat(top_.fd.get(), "memory.peak", F_OK, 0) != 0)
    missing.emplace_back("memory.peak (Linux 5.19): memory_peak_bytes is the largest sample the supervisor took");
  if (::faccessat(top_.fd.get(), "pids.peak", F_OK, 0) != 0)
    missing.emplace_back("pids.peak (Linux 6.1): processes_peak is reported as 0");
  return missing;
}

// "+memory +cpu" for what `directory` does not yet pass on to its children; empty: nothing.
Result<std::string> not_passed_on(const GroupDirectory& group) {
  TRY(const ControlFile file, ControlFile::open(group.fd.get(), group.path, "cgroup.subtree_control", O_RDONLY));
  TRY(const std::string text, file.text());
  const std::vector<std::string> passed = words(text);
  std::string missing;
  for (const char* controller : kControllers)
    if (std::find(passed.begin(), passed.end(), controller) == passed.end())
      missing += (missing.empty() ? "+" : " +") + std::string(controller);
  return missing;
}

Status pass_on(const GroupDirectory& group) {
  TRY(const std::string missing, not_passed_on(group));
  if (missing.empty()) return {};
  return write_control(group.fd.get(), group.path, "cgroup.subtree_control", missing);
}

Status has_controllers(const GroupDirectory& group) {
  TRY(const ControlFile file, ControlFile::open(group.fd.get(), group.path, "cgroup.controllers", O_RDONLY));
  TRY(const std::string text, file.text());
  const std::vector<std::string> offered = words(text);
  for (const char* controller : kControllers)
    if (std::find(offered.begin(), offered.end(), controller) == offered.end())
      return host_error(fmt::format(
          "cgroup {}: {} was not given this controller (it has '{}'). As root, enable it: for systemd's users "
          "'systemctl edit user@.service' with '[Service]' and 'Delegate=cpu memory pids', then log in again; else "
          "write '+{}' to cgroup.subtree_control of every group above",
          controller, group.path, text, controller));
  return {};
}

// CLONE_INTO_CGROUP asks for write access to cgroup.procs of the nearest common ancestor of where we stand and where
// the child goes (cgroup_procs_write_permission in kernel/cgroup/cgroup.c). Better said now than at the first launch.
Status may_move_between(const CgroupMount& mount, const std::optional<std::string>& own, const std::string& parent) {
  if (!own) return {};  // not shown by this mount: the launch itself will tell
  std::string ancestor = parent;
  while (ancestor != mount.point && *own != ancestor && !own->starts_with(ancestor + "/"))
    ancestor.resize(ancestor.rfind('/'));
  const std::string file = ancestor + "/cgroup.procs";
  if (::faccessat(AT_FDCWD, file.c_str(), W_OK, AT_EACCESS) == 0) return {};
  return cgroup_error(errno,
                      fmt::format("start processes in {} from {}, which takes write access to {}", parent, *own, file));
}

enum class StepDown { no, yes };

// Makes our group below `path` ready, or says why this parent does not do.
Result<Parent> try_parent(const CgroupMount& mount, const std::optional<std::string>& own, const std::string& path,
                          const Surroundings& surroundings, StepDown step_down) {
  Parent parent;
  parent.above.path = path;
  parent.above.fd.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.above.fd) return cgroup_error(errno, "open " + path);
  TRY_STATUS(has_controllers(parent.above));
  TRY_STATUS(may_move_between(mount, own, path));
  if (step_down == StepDown::yes) {
    TRY(const bool alone, only_we_stand_in(parent.above, surroundings));
    if (!alone) return cgroup_error(EBUSY, "limit groups below " + path);
  }
  TRY(parent.top, make_or_open_group(path, kTopGroup, surroundings.kernel));
  if (step_down == StepDown::yes) {
    // The one place that writes cgroup.procs: ourselves, once, before any launch.
    TRY(const GroupDirectory leaf, make_or_open_group(parent.top.path, kSupervisorLeaf, surroundings.kernel));
    TRY_STATUS(write_control(leaf.fd.get(), leaf.path, "cgroup.procs", "0"));
    parent.stepped_down = true;
  }
  Status passed = pass_on(parent.above);
  if (passed) passed = pass_on(parent.top);
  if (!passed) {
    (void)::rmdir(parent.top.path.c_str());  // only an empty one goes: one in use, by us or another, stays
    return std::move(passed).error();
  }
  return parent;
}

// The directories to try, best first, without repetition.
std::vector<std::string> candidates(const CgroupMount& mount, const std::optional<std::string>& own) {
  std::vector<std::string> parents;
  if (::geteuid() == 0 || !own) parents.push_back(mount.point);
  if (!own) return parents;
  std::string directory = *own;
  // Standing in the leaf we stepped into before (a daemon that opens twice): its grandparent is the parent.
  const std::string leaf = fmt::format("/{}/{}", kTopGroup, kSupervisorLeaf);
  if (directory.ends_with(leaf)) directory.resize(directory.size() - leaf.size());
  for (;;) {
    if (std::find(parents.begin(), parents.end(), directory) == parents.end()) parents.push_back(directory);
    if (directory.size() <= mount.point.size()) return parents;
    directory.resize(directory.rfind('/'));
  }
}

}  // namespace

Result<std::unique_ptr<Hierarchy>> open_v2(const CgroupMount& mount, Surroundings surroundings) {
  std::optional<std::string> own;
  if (const auto group = parse_own_v2_group(surroundings.own_groups)) own = directory_of(mount, *group);
  std::vector<std::string> parents;
  if (!surroundings.parent.empty()) {
    parents.push_back(configured_parent(mount, surroundings.parent));
  } else {
    parents = candidates(mount, own);
  }
  std::optional<Error> first;
  for (const StepDown step_down : {StepDown::no, StepDown::yes}) {
    for (const std::string& path : parents) {
      auto parent = try_parent(mount, own, path, surroundings, step_down);
      if (parent)
        return std::unique_ptr<Hierarchy>(std::make_unique<V2Hierarchy>(*std::move(parent), std::move(surroundings)));
      if (!first) first = std::move(parent).error();
    }
  }
  if (!surroundings.parent.empty())
    first->what += " (SANDBOX_RUN_CGROUP=" + surroundings.parent + ")";
  else if (parents.size() > 1)
    first->what += fmt::format(" ({} groups tried, up to {})", parents.size(), parents.back());
  return *std::move(first);
}

}  // namespace sandbox_run::cgroups
