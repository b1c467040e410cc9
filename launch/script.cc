// Theory of operation. What a plan means for init and pid 2 is lowered into rows here, in the order in which they will
// be performed; a row is a step of steps.h, up to three numbers and a text. Nothing inside decides anything: what
// depends on the plan is a row that is there or not, what depends on the host comes in as LoweringFacts (how many
// Landlock rights there are, where the mounts' descriptors lie), and what may fail is marked optional: hardenings
// (hardening_of) unless --require names them, and /proc unless it was asked for. --dry-run prints these rows, for
// a host that has everything.
//   init's rows first (up to init.filter), then pid 2's: namespace, mounts, root, defaults and limits, hardenings, and
//   at last what takes privileges away; the filter comes after every step that it would forbid.
// encode() lays rows, filter and texts out behind the Exchange's fixed part, with offsets instead of pointers: the page
// is mapped at another address inside. An injected failure (Plan::fail) travels in its row.
#include "launch/script.h"

#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>

namespace sandbox_run::launch {
namespace {

// Landlock rights by ABI version (Documentation/userspace-api/landlock.rst); newer than Debian 12's header.
constexpr std::uint64_t kExecute = 1u << 0, kWriteFile = 1u << 1, kReadFile = 1u << 2, kReadDirectory = 1u << 3;
constexpr std::uint64_t kAllOfAbi1 = (1u << 13) - 1, kRefer = 1u << 13, kTruncate = 1u << 14, kDeviceIoctl = 1u << 15;
constexpr std::uint64_t kBindTcp = 1, kConnectTcp = 2, kScopeAbstractUnix = 1, kScopeSignal = 2;

constexpr Bytes kStackLimit{8u << 20};
constexpr std::uint64_t kLockedMemory = 64u << 10;
constexpr std::uint64_t kPendingSignals = 256;

// /dev/fd is a convenience that needs a visible /proc around us, which not every container has.
bool is_optional(Step step) {
  return step == Step::proc_make || step == Step::proc_descriptors || hardening_of(step) != nullptr;
}

class Rows {
 public:
  ScriptRow& add(Step step, std::string shown = "") {
    ScriptRow row;
    row.step = step;
    row.is_optional = is_optional(step);
    row.shown = std::move(shown);
    rows_.push_back(std::move(row));
    return rows_.back();
  }
  std::vector<ScriptRow> take() { return std::move(rows_); }

 private:
  std::vector<ScriptRow> rows_;
};

void add_init_rows(const Plan& plan, const LoweringFacts& facts, Rows& rows) {
  rows.add(Step::init_script);
  ScriptRow& join = rows.add(Step::cgroup_join);
  join.a = facts.first_join_file;
  join.b = facts.join_files;
  ScriptRow& identity = rows.add(Step::identity_setup, facts.has_setup_identity ? "uid 0, gid 0 inside" : "uid 1000");
  identity.a = identity.b = facts.has_setup_identity ? 0 : kInsideProgramId;
  rows.add(Step::session_keyring);
  rows.add(Step::session_new);
  rows.add(Step::namespace_cgroup);
  if (!gives_up(plan, Wall::uts)) rows.add(Step::host_name, plan.hostname).text = plan.hostname;
  if (plan.network == Network::loopback && !gives_up(plan, Wall::network)) rows.add(Step::net_loopback);
  rows.add(Step::program_spawn);
  rows.add(Step::init_parent_death);
  rows.add(Step::init_privileges);
  rows.add(Step::init_filter);
}

std::string describe(const PlannedMount& mount) {
  std::string text = mount.target;
  switch (mount.kind) {
    case PlannedMount::Kind::device:
      return text + " the host's device";
    case PlannedMount::Kind::bind:
      text += " from " + mount.source;
      break;
    case PlannedMount::Kind::tmpfs:
      text += fmt::format(" tmpfs {}", format_bytes(mount.size));
      break;
    case PlannedMount::Kind::alias:
      break;
    case PlannedMount::Kind::overlay:
      text += fmt::format(" over {} with {} of memory", mount.source, format_bytes(mount.size));
      break;
  }
  text += mount.attributes.read_only ? " ro" : " rw";
  text += ",nosuid";
  if (mount.attributes.no_devices) text += ",nodev";
  if (mount.attributes.no_exec) text += ",noexec";
  if (mount.attributes.no_symlinks) text += ",nosymfollow";
  return text;
}

void add_mount_rows(const Plan& plan, const MountPlan& mounts, const LoweringFacts& facts, Rows& rows) {
  rows.add(Step::namespace_no_nesting, "user.max_user_namespaces 0, inside only");
  rows.add(Step::mount_private);
  rows.add(Step::proc_make, "subset=pid, hidepid=invisible").is_optional = !plan.proc;
  rows.add(Step::proc_oom_score, "1000");
  rows.add(Step::root_attach, "tmpfs ro,nosuid,nodev,noexec").a = facts.root;
  for (const AttachedMount& attached : facts.mounts) {
    const PlannedMount& planned = mounts.mounts[attached.planned];
    const bool alias = planned.kind == PlannedMount::Kind::alias;
    const bool overlay = planned.kind == PlannedMount::Kind::overlay;
    ScriptRow& row = rows.add(alias     ? Step::mount_alias
                              : overlay ? Step::overlay_attach
                                        : Step::mount_attach,
                              describe(planned));
    row.text = planned.target;
    row.a = attached.mount;
    row.b = attached.layers;
    row.c = static_cast<std::int64_t>(planned.attributes.flags());
  }
  if (plan.base_tree) rows.add(Step::proc_descriptors, "/dev/fd").text = "/dev/fd";
  if (plan.proc) rows.add(Step::proc_attach, "/proc").text = "/proc";
  rows.add(Step::process_undumpable);
  rows.add(Step::root_pivot);
  rows.add(Step::root_detach_old);
  rows.add(Step::root_verify);
  rows.add(Step::process_own_paths);
}

void add_limit_rows(const Plan& plan, Rows& rows) {
  // CPU: whole seconds, at least one above the supervisor's own deadline, in case the supervisor is stopped.
  const auto cpu_seconds = std::chrono::ceil<std::chrono::seconds>(plan.cpu_time.value).count() + 1;
  const struct {
    int resource;
    const char* name;
    std::uint64_t value;
    bool lower_will_do = false;  // no program notices
  } limits[] = {
      {RLIMIT_CPU, "cpu", static_cast<std::uint64_t>(cpu_seconds)},
      {RLIMIT_FSIZE, "fsize", plan.rlimits.file_size.count},
      // Not 0: a core handler behind a pipe ignores 0, and takes 1 for "none" (core(5)).
      {RLIMIT_CORE, "core", 1, true},
      {RLIMIT_NOFILE, "nofile", plan.rlimits.open_files},
      {RLIMIT_STACK, "stack", kStackLimit.count},
      {RLIMIT_MEMLOCK, "memlock", kLockedMemory, true},
      {RLIMIT_SIGPENDING, "sigpending", kPendingSignals, true},
      {RLIMIT_MSGQUEUE, "msgqueue", 0},
      // The cgroup limits memory. A caller's own lower limit would end the program by a failure that is not its own.
      {RLIMIT_AS, "as", RLIM_INFINITY},
      {RLIMIT_DATA, "data", RLIM_INFINITY},
      {RLIMIT_NICE, "nice", 0},
      {RLIMIT_RTPRIO, "rtprio", 0},
  };
  for (const auto& limit : limits) {
    ScriptRow& row =
        rows.add(Step::limit_set, limit.value == RLIM_INFINITY ? fmt::format("{} unlimited", limit.name)
                                                               : fmt::format("{} {}", limit.name, limit.value));
    row.a = limit.resource;
    row.b = static_cast<std::int64_t>(limit.value);
    row.c = limit.lower_will_do ? 1 : 0;
  }
}

// Execution is not Landlock's business here: the program itself comes by descriptor from wherever it was, and the
// mounts are noexec.
void add_landlock_rows(const Plan& plan, const MountPlan& mounts, const LoweringFacts& facts, Rows& rows) {
  const int abi = facts.landlock_abi;
  std::uint64_t files = kAllOfAbi1 & ~kExecute;
  if (abi >= 2) files |= kRefer;
  if (abi >= 3) files |= kTruncate;
  if (abi >= 5) files |= kDeviceIoctl;
  const bool closed = plan.network == Network::none && !gives_up(plan, Wall::network);
  ScriptRow& create = rows.add(Step::landlock_create, fmt::format("files {:#x}", files));
  create.a = static_cast<std::int64_t>(files);
  create.b = abi >= 4 && closed ? static_cast<std::int64_t>(kBindTcp | kConnectTcp) : 0;
  create.c = abi >= 6 ? static_cast<std::int64_t>(kScopeAbstractUnix | kScopeSignal) : 0;
  auto allow = [&](const std::string& path, std::uint64_t rights, const char* words) {
    ScriptRow& row = rows.add(Step::landlock_allow, path + " " + words);
    row.text = path;
    row.a = static_cast<std::int64_t>(rights);
  };
  allow("/", kReadFile | kReadDirectory, "read");
  if (plan.base_tree) allow("/dev", kReadFile | kReadDirectory | kWriteFile, "write");
  for (const AttachedMount& attached : facts.mounts) {
    const PlannedMount& planned = mounts.mounts[attached.planned];
    if (planned.writable()) allow(planned.target, files, "write");
  }
  rows.add(Step::landlock_restrict);
}

void add_identity_rows(const Plan& plan, Rows& rows) {
  rows.add(Step::capability_bounding, "all");
  rows.add(Step::capability_lock, "noroot, no-ambient-raise, all locked");
  ScriptRow& identity = rows.add(Step::identity_drop, "uid 1000, gid 1000");
  identity.a = identity.b = kInsideProgramId;
  rows.add(Step::capability_clear, "permitted, effective, inheritable, bounding, ambient: empty");
  rows.add(Step::directory_enter, plan.working_directory).text = plan.working_directory;
  rows.add(Step::privileges_none);
  rows.add(Step::descriptors_close, "3 and up");
  rows.add(Step::signals_reset);
  rows.add(Step::filter_wait_killable);
  rows.add(Step::filter_install, gives_up(plan, Wall::seccomp) ? "none but the pause (weakened)"
                                                               : fmt::format("{}, {} instructions", plan.profile_name,
                                                                             plan.filter.program.size()));
}

}  // namespace

bool gives_up(const Plan& plan, Wall wall) {
  return std::find(plan.weaken.begin(), plan.weaken.end(), name_of(wall)) != plan.weaken.end();
}

Status check_names(const Plan& plan) {
  auto check = [](const std::vector<std::string>& given, const auto& known, const char* what) -> Status {
    for (const std::string& name : given)
      if (std::find(std::begin(known), std::end(known), name) == std::end(known))
        return input_error(fmt::format("there is no {} \"{}\"; there are: {}", what, name, fmt::join(known, ", ")));
    return {};
  };
  TRY_STATUS(check(plan.weaken, kWallNames, "wall to give up named"));
  std::vector<std::string_view> hardenings;
  for (const Hardening& hardening : kHardenings) hardenings.push_back(hardening.name);
  return check(plan.require, hardenings, "hardening named");
}

Status check_required(const Plan& plan, const std::vector<ScriptRow>& rows) {
  auto stands_for = [](const ScriptRow& row, const std::string& name) {
    const Hardening* hardening = hardening_of(row.step);
    return hardening && hardening->name == name;
  };
  for (const std::string& name : plan.require)
    if (std::none_of(rows.begin(), rows.end(), [&](const ScriptRow& row) { return stands_for(row, name); }))
      return host_error(ENOSYS, fmt::format("this kernel has no {}, which the run requires; 'sandbox-run doctor' says "
                                            "what it needs, or run without --require {}",
                                            name, name));
  return {};
}

std::vector<ScriptRow> lower(const Plan& plan, const MountPlan& mounts, const LoweringFacts& facts) {
  Rows rows;
  add_init_rows(plan, facts, rows);
  add_mount_rows(plan, mounts, facts, rows);
  rows.add(Step::process_defaults);
  add_limit_rows(plan, rows);
  rows.add(Step::core_scheduling);
  rows.add(Step::speculation_controls);
  if (plan.refuse_exec_gain) rows.add(Step::memory_no_exec_gain);
  if (facts.landlock_abi > 0) add_landlock_rows(plan, mounts, facts, rows);
  add_identity_rows(plan, rows);
  std::vector<ScriptRow> out = rows.take();
  for (ScriptRow& row : out) {
    const Hardening* hardening = hardening_of(row.step);
    if (hardening && std::find(plan.require.begin(), plan.require.end(), hardening->name) != plan.require.end())
      row.is_optional = false;
  }
  return out;
}

Status encode(const std::vector<ScriptRow>& rows, const std::vector<sock_filter>& filter, std::uint32_t pause_number,
              const Plan& plan, Exchange* exchange) {
  char* base = reinterpret_cast<char*>(exchange);
  std::size_t end = sizeof(Exchange);
  auto reserve = [&](std::size_t size) {
    const std::size_t at = (end + 7) & ~std::size_t{7};
    end = at + size;
    return static_cast<std::uint32_t>(at);
  };
  const std::uint32_t rows_at = reserve(rows.size() * sizeof(Row));
  const std::uint32_t filter_at = reserve(filter.size() * sizeof(sock_filter));
  std::size_t text_size = 0;
  for (const ScriptRow& row : rows) text_size += row.text.size() + 1;
  const std::uint32_t text_at = reserve(text_size);
  if (filter.size() > BPF_MAXINSNS)
    return input_error(fmt::format("profile {}: {} instructions, the kernel takes {}", plan.profile_name, filter.size(),
                                   BPF_MAXINSNS));
  if (end > kCompactLimit)
    return input_error(
        fmt::format("the launch's script takes {} bytes with its mounts' paths, and {} travel: give "
                    "fewer or shorter --mount-ro and --mount-rw",
                    end, kCompactLimit));
  *exchange = Exchange{};
  exchange->row_count = static_cast<std::uint32_t>(rows.size());
  exchange->rows = rows_at;
  exchange->filter = filter_at;
  exchange->filter_length = static_cast<std::uint32_t>(filter.size());
  exchange->pause_number = pause_number;
  std::memcpy(base + filter_at, filter.data(), filter.size() * sizeof(sock_filter));
  Row* out = reinterpret_cast<Row*>(base + rows_at);
  std::uint32_t text = text_at;
  for (const ScriptRow& row : rows) {
    *out = Row{row.step, row.is_optional, 0, 0, 0, 0, row.a, row.b, row.c};
    if (plan.fail.step == facts_of(row.step).name) out->inject_errno = plan.fail.error;
    std::memcpy(base + text, row.text.c_str(), row.text.size() + 1);
    out->text = text;
    text += static_cast<std::uint32_t>(row.text.size() + 1);
    ++out;
  }
  return {};
}

}  // namespace sandbox_run::launch
