#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bitset>

#include "base/files.h"
#include "launch/init_image.h"
#include "launch/launched_sandbox.h"
#include "launch/pool.h"
#include "launch/steps_error.h"
#include "namespaces/id_map.h"

namespace sandbox_run::launch {
namespace {

// Host ids of sandboxes: far above what people, services and containers' subordinate ranges use. Two per slot, the
// process id makes them unique on the machine: 2^22 pids × 64 slots × 2 end below 2^31.
constexpr uid_t kFirstHostId = 0x60000000;
constexpr uid_t kIdsPerProcess = 2 * IdentitySlot::kMost;

struct SlotTable {
  std::mutex mutex;
  std::bitset<IdentitySlot::kMost> taken;
};
SlotTable& slots() {
  static SlotTable table;
  return table;
}

bool g_rootless = false;  // set once, before the first sandbox

class LocalHost final : public Host {
 public:
  explicit LocalHost(HostState state) : state_(std::move(state)) {}

  cgroups::Hierarchy* hierarchy() override { return state_.hierarchy.get(); }

  Result<std::unique_ptr<Sandbox>> prepare(const Plan& plan, const std::function<Status()>& meanwhile) override {
    TRY(std::unique_ptr<LiveSandbox> sandbox, prepare_sandbox(state_, plan, meanwhile));
    return std::unique_ptr<Sandbox>(std::make_unique<LaunchedSandbox>(std::move(sandbox)));
  }

  Result<std::unique_ptr<Pool>> pool(const Plan& plan, const PoolSize& size) override {
    TRY(std::unique_ptr<LocalPool> pool, LocalPool::open(state_, plan, size));
    return std::unique_ptr<Pool>(std::move(pool));
  }

 private:
  HostState state_;
};

// Without root: a user and a mount namespace of our own first, in which the same code holds the capabilities it needs.
// Our ids stay what they are; supplementary groups stay too, for nobody unprivileged can shed them.
Status enter_own_namespaces() {
  static bool entered = false;
  if (entered) return {};
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
    return host_error(errno,
                      "cannot enter a user namespace of our own (not root; is this process single-threaded, and "
                      "are user namespaces allowed? 'sandbox-run doctor' tells)");
  TRY_STATUS(namespaces::write_id_maps(::getpid(), {{uid, uid, 1}}, {{gid, gid, 1}}));
  entered = g_rootless = true;
  return {};
}

// Supplementary groups cannot be shed behind setgroups "deny": the sandbox would keep ours. And nobody but root may
// look into this process (/proc/<pid>/fd of a supervisor is a way back to the host).
Status close_ourselves() {
  if (::setgroups(0, nullptr) != 0) return host_error(errno, "cannot drop supplementary groups");
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) return host_error(errno, "cannot close /proc for this process");
  return {};
}

// Id maps are written by process id below /proc: in a /proc of another pid namespace that is another process.
Status check_proc() {
  char self[32] = {};
  if (::readlink("/proc/self", self, sizeof self - 1) < 0)
    return host_error(errno, "cannot read /proc/self; mount /proc (mount -t proc proc /proc)");
  if (self == std::to_string(::getpid())) return {};
  return host_error(
      fmt::format("/proc shows the processes of another pid namespace: this one is {} there, and {} here; "
                  "mount one of its own (mount -t proc proc /proc, unshare --mount-proc)",
                  self, ::getpid()));
}

// A hard limit below what a launch sets inside (a hardened host has core at 0) would fail every launch, for nobody
// inside may raise one. Our own soft limits stay what the caller wanted. What cannot be lifted, limit.set will name.
void lift_hard_limits() {
  constexpr rlim_t kMostOpenFiles = 1u << 20;  // no more than fs.nr_open is ever granted
  for (const auto resource : {RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_STACK, RLIMIT_MEMLOCK,
                              RLIMIT_SIGPENDING, RLIMIT_AS, RLIMIT_DATA}) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0) continue;
    const rlim_t wanted = resource == RLIMIT_NOFILE ? std::max(limit.rlim_max, kMostOpenFiles) : RLIM_INFINITY;
    if (limit.rlim_max >= wanted) continue;
    limit.rlim_max = wanted;
    (void)::setrlimit(resource, &limit);
  }
}

// The launch duplicates over 0, 1 and 2: no descriptor of ours may be one of them.
Status fill_standard_descriptors() {
  for (int fd = 0; fd <= 2; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
      return host_error(errno, "cannot open /dev/null for a closed standard descriptor");
  return {};
}

}  // namespace

IdentitySlot& IdentitySlot::operator=(IdentitySlot&& other) noexcept {
  std::swap(slot_, other.slot_);
  return *this;
}

IdentitySlot::~IdentitySlot() {
  if (slot_ < 0) return;
  const std::lock_guard lock(slots().mutex);
  slots().taken.reset(static_cast<std::size_t>(slot_));
}

Result<IdentitySlot> IdentitySlot::take() {
  const std::lock_guard lock(slots().mutex);
  for (int slot = 0; slot < kMost; ++slot) {
    if (slots().taken.test(static_cast<std::size_t>(slot))) continue;
    slots().taken.set(static_cast<std::size_t>(slot));
    return IdentitySlot(slot);
  }
  return host_error(fmt::format("{} sandboxes of this process are alive; wait for one to end", kMost));
}

Identity IdentitySlot::identity() const {
  // Rootless: one id can be mapped, the user's own. Runs are kept apart by their namespaces alone.
  if (g_rootless) return {::geteuid(), ::geteuid(), false};
  const uid_t first = kFirstHostId + static_cast<uid_t>(::getpid()) * kIdsPerProcess + static_cast<uid_t>(2 * slot_);
  return {first, first + 1, true};
}

Result<HostState> open_host_state() {
  TRY_STATUS(fill_standard_descriptors());
  // A sink that closes is an EPIPE to us; ignored signals do not reach the sandbox, which starts with defaults.
  ::signal(SIGPIPE, SIG_IGN);
  // Ignored by whoever started us, it would stay ignored in init as well, and the kernel would reap for both: no wait
  // would learn how anything ended.
  ::signal(SIGCHLD, SIG_DFL);
  HostState state;
  state.is_root = ::geteuid() == 0;
  TRY_STATUS(check_proc());
  if (state.is_root) lift_hard_limits();
  auto ready = state.is_root ? close_ourselves() : enter_own_namespaces();
  if (!ready) return std::move(ready).error();
  TRY(state.init_file, sealed_memfd("sandbox-init", init_image(), true));
  auto hierarchy = cgroups::Hierarchy::open();
  if (hierarchy) {
    state.hierarchy = std::move(hierarchy).value();
    // What a supervisor that was killed left behind. Not ending it costs this run nothing.
    (void)state.hierarchy->end_orphans();
  } else {
    state.hierarchy_error = hierarchy.error().what;
  }
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  state.landlock_abi = abi > 0 ? static_cast<int>(abi) : 0;
  state.processors = static_cast<int>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  return state;
}

Result<std::unique_ptr<Host>> Host::open() {
  TRY(HostState state, open_host_state());
  return std::unique_ptr<Host>(std::make_unique<LocalHost>(std::move(state)));
}

}  // namespace sandbox_run::launch
