// Theory of operation. One function a step, raw system calls only: no allocation, no C library, no state but
// ScriptState and the calling process itself. Each answers 0 or more, or a negative errno, which travels back with the
// step's name; none of them decides whether to go on. Descriptors come from the supervisor by number, texts by offset
// into the exchange page, and both are ours: nothing of a submitter's is in this process yet. Where a path is opened at
// all it is opened below the new root and no link is followed.
#include "launch/init/actions.h"

#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/if.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <linux/stat.h>

#include "launch/init/system_calls.h"

// Newer than Debian 12's headers, or of C library headers that a freestanding program has not.
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65  // Linux 6.3
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

namespace sandbox_run::launch {
namespace {

constexpr long kDetach = 2;                            // MNT_DETACH
constexpr std::uint64_t kLandlockFileRights = 0xc007;  // execute, write, read, truncate, ioctl
constexpr int kLastCapability = 63;                    // the kernel answers EINVAL above its own last one

#define RETURN_IF_NEGATIVE(expression)                         \
  do {                                                         \
    if (long failed = (expression); failed < 0) return failed; \
  } while (0)

const char* text_of(const ScriptState& state, const Row& row) {
  return reinterpret_cast<const char*>(state.exchange) + row.text;
}

long length_of(const char* text) {
  long length = 0;
  while (text[length] != 0) ++length;
  return length;
}

// The mount point below the new root; nothing of a submitter's can redirect it, as no symbolic link is followed.
long open_target(const ScriptState& state, const char* path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return system_call(__NR_openat2, state.root, word(path), word(&how), sizeof how);
}

long attach(int mount, long target) {
  return system_call(__NR_move_mount, mount, word(""), target, word(""),
                     MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

long attach_at(const ScriptState& state, int mount, const char* path) {
  const long target = open_target(state, path);
  RETURN_IF_NEGATIVE(target);
  const long result = attach(mount, target);
  system_call(__NR_close, target);
  return result;
}

// Somewhere in the old root, whose detachment takes it along. Not on / itself: there it would lie on top of the old
// root after the pivot, and be what root.detach-old detaches.
long stage(int mount) {
  return system_call(__NR_move_mount, mount, word(""), AT_FDCWD, word("/proc"), MOVE_MOUNT_F_EMPTY_PATH);
}

long set_option(long file_system, const char* key, const char* value) {
  return system_call(__NR_fsconfig, file_system, FSCONFIG_SET_STRING, word(key), word(value), 0);
}

// A procfs of this pid namespace, with processes only. Mounting one needs a fully visible /proc around (the kernel's
// mount_too_revealing); it is staged so that kernels before 6.15 let a part of it be cloned.
long make_proc(ScriptState& state) {
  const long file_system = system_call(__NR_fsopen, word("proc"), FSOPEN_CLOEXEC);
  RETURN_IF_NEGATIVE(file_system);
  RETURN_IF_NEGATIVE(set_option(file_system, "subset", "pid"));
  RETURN_IF_NEGATIVE(set_option(file_system, "hidepid", "invisible"));
  RETURN_IF_NEGATIVE(system_call(__NR_fsconfig, file_system, FSCONFIG_CMD_CREATE, 0, 0, 0));
  const long mount =
      system_call(__NR_fsmount, file_system, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  RETURN_IF_NEGATIVE(mount);
  system_call(__NR_close, file_system);
  state.proc = static_cast<int>(mount);
  return stage(state.proc);
}

long write_oom_score(const ScriptState& state) {
  if (state.proc < 0) return -ENOENT;  // proc.make said why
  const long file = system_call(__NR_openat, state.proc, word("2/oom_score_adj"), O_WRONLY | O_CLOEXEC);
  RETURN_IF_NEGATIVE(file);
  const long written = system_call(__NR_write, file, word("1000"), 4);
  system_call(__NR_close, file);
  return written;
}

// The limit of this user namespace alone: nothing in it makes another one, whatever the filter says.
long forbid_nesting() {
  const long file =
      system_call(__NR_openat, AT_FDCWD, word("/proc/sys/user/max_user_namespaces"), O_WRONLY | O_CLOEXEC);
  RETURN_IF_NEGATIVE(file);
  const long written = system_call(__NR_write, file, word("0"), 1);
  system_call(__NR_close, file);
  return written;
}

// a: attributes to set on the clone's mount.
long attach_proc_part(const ScriptState& state, const char* part, const char* target, long attributes) {
  if (state.proc < 0) return -ENOENT;  // proc.make said why
  const long clone =
      system_call(__NR_open_tree, state.proc, word(part), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  RETURN_IF_NEGATIVE(clone);
  mount_attr set{};
  set.attr_set = static_cast<std::uint64_t>(attributes);
  RETURN_IF_NEGATIVE(system_call(__NR_mount_setattr, clone, word(""), AT_EMPTY_PATH, word(&set), sizeof set));
  const long result = attach_at(state, static_cast<int>(clone), target);
  system_call(__NR_close, clone);
  return result;
}

// a: the lower tree, b: a tmpfs with the directories lower, upper and work, c: attributes. overlayfs takes paths, and
// kernels before 6.15 take none in a detached mount: so the three are staged, and the old root takes them along.
long attach_overlay(const ScriptState& state, const Row& row) {
  const int lower = state.descriptors[row.a];
  const int layers = state.descriptors[row.b];
  RETURN_IF_NEGATIVE(stage(layers));
  const long lower_at = system_call(__NR_openat, layers, word("lower"), O_PATH | O_CLOEXEC);
  RETURN_IF_NEGATIVE(lower_at);
  RETURN_IF_NEGATIVE(attach(lower, lower_at));
  system_call(__NR_close, lower_at);
  RETURN_IF_NEGATIVE(system_call(__NR_fchdir, layers));
  const long file_system = system_call(__NR_fsopen, word("overlay"), FSOPEN_CLOEXEC);
  RETURN_IF_NEGATIVE(file_system);
  RETURN_IF_NEGATIVE(set_option(file_system, "lowerdir", "lower"));
  RETURN_IF_NEGATIVE(set_option(file_system, "upperdir", "upper"));
  RETURN_IF_NEGATIVE(set_option(file_system, "workdir", "work"));
  RETURN_IF_NEGATIVE(system_call(__NR_fsconfig, file_system, FSCONFIG_SET_FLAG, word("userxattr"), 0, 0));
  RETURN_IF_NEGATIVE(system_call(__NR_fsconfig, file_system, FSCONFIG_CMD_CREATE, 0, 0, 0));
  const long mount = system_call(__NR_fsmount, file_system, FSMOUNT_CLOEXEC, row.c);
  RETURN_IF_NEGATIVE(mount);
  system_call(__NR_close, file_system);
  RETURN_IF_NEGATIVE(system_call(__NR_chdir, word("/")));
  const long result = attach_at(state, static_cast<int>(mount), text_of(state, row));
  system_call(__NR_close, mount);
  return result;
}

// a: the mount to show again.
long attach_alias(const ScriptState& state, const Row& row) {
  const long clone = system_call(__NR_open_tree, state.descriptors[row.a], word(""),
                                 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  RETURN_IF_NEGATIVE(clone);
  const long result = attach_at(state, static_cast<int>(clone), text_of(state, row));
  system_call(__NR_close, clone);
  return result;
}

// The new root becomes /, the old one lies on top of it until root.detach-old (pivot_root(2), "." twice).
long pivot(const ScriptState& state) {
  RETURN_IF_NEGATIVE(system_call(__NR_fchdir, state.root));
  return system_call(__NR_pivot_root, word("."), word("."));
}

bool same_file(const struct statx& one, const struct statx& other) {
  return one.stx_ino == other.stx_ino && one.stx_dev_major == other.stx_dev_major &&
         one.stx_dev_minor == other.stx_dev_minor;
}

long verify_root(const ScriptState& state) {
  struct statx ours {
  }, root{}, above{};
  RETURN_IF_NEGATIVE(system_call(__NR_statx, state.root, word(""), AT_EMPTY_PATH, STATX_INO, word(&ours)));
  RETURN_IF_NEGATIVE(system_call(__NR_statx, AT_FDCWD, word("/"), 0, STATX_INO, word(&root)));
  RETURN_IF_NEGATIVE(system_call(__NR_statx, AT_FDCWD, word("/.."), 0, STATX_INO, word(&above)));
  return same_file(ours, root) && same_file(root, above) ? 0 : -ESTALE;
}

long raise_loopback() {
  const long socket = system_call(__NR_socket, 2 /* AF_INET */, 2 /* SOCK_DGRAM */ | O_CLOEXEC, 0);
  RETURN_IF_NEGATIVE(socket);
  struct {
    char name[IFNAMSIZ];
    short flags;
    char rest[22];
  } request{{'l', 'o'}, IFF_UP | IFF_RUNNING, {}};
  const long result = system_call(__NR_ioctl, socket, 0x8914 /* SIOCSIFFLAGS */, word(&request));
  system_call(__NR_close, socket);
  return result;
}

// Source: Documentation/userspace-api/spec_ctrl.rst. What the processor is not affected by, or the kernel has switched
// off for everybody, needs nothing.
long control_speculation() {
  constexpr long kKinds[] = {PR_SPEC_STORE_BYPASS, PR_SPEC_INDIRECT_BRANCH};
  for (const long kind : kKinds) {
    const long state = system_call(__NR_prctl, PR_GET_SPECULATION_CTRL, kind, 0, 0, 0);
    if (state < 0) return state;
    if (state == PR_SPEC_NOT_AFFECTED || (state & (PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE)) != 0) continue;
    if ((state & PR_SPEC_PRCTL) == 0) return -ENXIO;
    RETURN_IF_NEGATIVE(system_call(__NR_prctl, PR_SET_SPECULATION_CTRL, kind, PR_SPEC_FORCE_DISABLE, 0, 0));
  }
  return 0;
}

// a: handled file system rights, b: handled network rights, c: scopes. Sizes grew with the ABI; the kernel takes the
// longest as long as what it does not know is 0, so the shortest that holds what is asked for is passed.
long create_ruleset(ScriptState& state, const Row& row) {
  const std::uint64_t attributes[3] = {static_cast<std::uint64_t>(row.a), static_cast<std::uint64_t>(row.b),
                                       static_cast<std::uint64_t>(row.c)};
  const long size = attributes[2] != 0 ? 24 : attributes[1] != 0 ? 16 : 8;
  const long ruleset = system_call(__NR_landlock_create_ruleset, word(attributes), size, 0);
  if (ruleset >= 0) state.landlock = static_cast<int>(ruleset);
  return ruleset;
}

long allow_beneath(const ScriptState& state, const Row& row) {
  if (state.landlock < 0) return -EOPNOTSUPP;  // landlock.create said why
  const long directory = system_call(__NR_openat, AT_FDCWD, word(text_of(state, row)), O_PATH | O_CLOEXEC | O_NOFOLLOW);
  RETURN_IF_NEGATIVE(directory);
  landlock_path_beneath_attr rule{};
  rule.allowed_access = static_cast<std::uint64_t>(row.a);
  rule.parent_fd = static_cast<std::int32_t>(directory);
  long result = system_call(__NR_landlock_add_rule, state.landlock, LANDLOCK_RULE_PATH_BENEATH, word(&rule), 0);
  if (result == -EINVAL) {  // a file takes no right of a directory
    rule.allowed_access &= kLandlockFileRights;
    result = system_call(__NR_landlock_add_rule, state.landlock, LANDLOCK_RULE_PATH_BENEATH, word(&rule), 0);
  }
  system_call(__NR_close, directory);
  return result;
}

long drop_bounding() {
  for (int capability = 0; capability <= kLastCapability; ++capability) {
    const long result = system_call(__NR_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0);
    if (result == -EINVAL) break;  // above the kernel's last one
    RETURN_IF_NEGATIVE(result);
  }
  return 0;
}

// Empties permitted, effective, inheritable and ambient, and reads all five sets back: what the kernel holds counts,
// not what the calls answered.
long clear_capabilities() {
  RETURN_IF_NEGATIVE(system_call(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  RETURN_IF_NEGATIVE(system_call(__NR_capset, word(&header), word(none)));
  __user_cap_data_struct held[2]{};
  RETURN_IF_NEGATIVE(system_call(__NR_capget, word(&header), word(held)));
  for (const auto& half : held)
    if (half.effective != 0 || half.permitted != 0 || half.inheritable != 0) return -1;  // EPERM
  for (int capability = 0; capability <= kLastCapability; ++capability) {
    const long bounded = system_call(__NR_prctl, PR_CAPBSET_READ, capability, 0, 0, 0);
    if (bounded < 0) break;  // EINVAL: above the kernel's last one
    if (bounded > 0) return -1;
    if (system_call(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) > 0) return -1;
  }
  return 0;
}

long lock_capabilities() {
  const long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  return system_call(__NR_prctl, PR_SET_SECUREBITS, bits, 0, 0, 0);
}

// a: the first `tasks` file of cgroup v1, b: how many; none on v2, where the clone began in its group. "0" is the
// writer: writing another task's pid costs milliseconds (a grace period of the kernel's lock on thread groups).
long join_cgroups(const ScriptState& state, const Row& row) {
  for (long index = row.a; index < row.a + row.b; ++index)
    RETURN_IF_NEGATIVE(system_call(__NR_write, state.descriptors[index], word("0"), 1));
  return 0;
}

// a: uid, b: gid; real, effective, saved and file system ids at once. The group first, while changing it is allowed.
long become(long uid, long gid) {
  RETURN_IF_NEGATIVE(system_call(__NR_setresgid, gid, gid, gid));
  return system_call(__NR_setresuid, uid, uid, uid);
}

long drop_init_privileges() {
  RETURN_IF_NEGATIVE(drop_bounding());
  RETURN_IF_NEGATIVE(lock_capabilities());
  RETURN_IF_NEGATIVE(clear_capabilities());
  return system_call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// a: the resource, b: the limit, c: not 0 where a lower one that holds already will do.
long set_limit(const Row& row) {
  std::uint64_t limit[2] = {static_cast<std::uint64_t>(row.b), static_cast<std::uint64_t>(row.b)};
  std::uint64_t now[2];
  if (row.c != 0 && system_call(__NR_prlimit64, 0, row.a, 0, word(now)) == 0 && now[1] < limit[1])
    limit[0] = limit[1] = now[1];
  return system_call(__NR_prlimit64, 0, row.a, word(limit), 0);
}

long set_defaults() {
  system_call(__NR_umask, 022);
  return system_call(__NR_personality, 0);
}

// The clone reset what was handled; what the supervisor ignores (SIGPIPE) would stay ignored across exec.
long reset_signals() {
  const struct {
    void* handler;
    unsigned long flags;
    void* restorer;
    std::uint64_t mask;
  } default_action{};
  for (int signal = 1; signal <= 64; ++signal)  // SIGKILL and SIGSTOP answer EINVAL
    system_call(__NR_rt_sigaction, signal, word(&default_action), 0, sizeof default_action.mask);
  const std::uint64_t none = 0;
  return system_call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, word(&none), 0, sizeof none);
}

long attach_root(ScriptState& state, const Row& row) {
  state.root = state.descriptors[row.a];
  return system_call(__NR_move_mount, state.root, word(""), AT_FDCWD, word("/"), MOVE_MOUNT_F_EMPTY_PATH);
}

long detach_old_root() {
  RETURN_IF_NEGATIVE(system_call(__NR_umount2, word("."), kDetach));
  return system_call(__NR_chdir, word("/"));
}

// The kernel looks at the flags before it looks for a filter: none is EFAULT where it knows them all, else EINVAL.
long find_wait_killable(ScriptState& state) {
  const long result = system_call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, kListenerFlags | kWaitKillable, 0);
  if (result != -EFAULT) return result < 0 ? result : -EINVAL;
  state.exchange->wait_killable = 1;
  return 0;
}

}  // namespace

long perform(ScriptState& state, const Row& row) {
  if (row.inject_errno != 0) return -row.inject_errno;
  const char* text = text_of(state, row);
  switch (row.step) {
    case Step::cgroup_join:
      return join_cgroups(state, row);
    case Step::identity_setup:
      return become(row.a, row.b);
    case Step::session_keyring:
      return system_call(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
    case Step::session_new:
      return system_call(__NR_setsid);
    case Step::namespace_cgroup:
      return system_call(__NR_unshare, CLONE_NEWCGROUP);
    case Step::host_name:
      return system_call(__NR_sethostname, word(text), length_of(text));
    case Step::net_loopback:
      return raise_loopback();
    case Step::init_parent_death:
      return system_call(__NR_prctl, PR_SET_PDEATHSIG, 9, 0, 0, 0);
    case Step::init_privileges:
      return drop_init_privileges();
    case Step::namespace_no_nesting:
      return forbid_nesting();
    case Step::mount_private:
      return system_call(__NR_mount, 0, word("/"), 0, MS_REC | MS_PRIVATE, 0);
    case Step::proc_make:
      return make_proc(state);
    case Step::proc_oom_score:
      return write_oom_score(state);
    case Step::root_attach:
      return attach_root(state, row);
    case Step::mount_attach:
      return attach_at(state, state.descriptors[row.a], text);
    case Step::mount_alias:
      return attach_alias(state, row);
    case Step::overlay_attach:
      return attach_overlay(state, row);
    case Step::proc_descriptors:
      return attach_proc_part(state, "2/fd", text, MOUNT_ATTR_RDONLY);
    case Step::proc_attach:
      return attach_proc_part(state, "", text, 0);
    case Step::process_undumpable:
      return system_call(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
    case Step::root_pivot:
      return pivot(state);
    case Step::root_detach_old:
      return detach_old_root();
    case Step::root_verify:
      return verify_root(state);
    case Step::process_own_paths:
      return system_call(__NR_unshare, CLONE_FS);
    case Step::process_defaults:
      return set_defaults();
    case Step::limit_set:
      return set_limit(row);
    case Step::core_scheduling:
      return system_call(__NR_prctl, PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, 1 /* thread group */, 0);
    case Step::speculation_controls:
      return control_speculation();
    case Step::memory_no_exec_gain:
      return system_call(__NR_prctl, PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
    case Step::landlock_create:
      return create_ruleset(state, row);
    case Step::landlock_allow:
      return allow_beneath(state, row);
    case Step::landlock_restrict:
      return state.landlock < 0 ? -EOPNOTSUPP : system_call(__NR_landlock_restrict_self, state.landlock, 0);
    case Step::capability_bounding:
      return drop_bounding();
    case Step::capability_lock:
      return lock_capabilities();
    case Step::identity_drop:
      return become(row.a, row.b);
    case Step::capability_clear:
      return clear_capabilities();
    case Step::directory_enter:
      return system_call(__NR_chdir, word(text));
    case Step::privileges_none:
      return system_call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    case Step::descriptors_close:
      return system_call(__NR_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
    case Step::signals_reset:
      return reset_signals();
    case Step::filter_wait_killable:
      return find_wait_killable(state);
    default:
      return -ENOSYS;  // the supervisor's, the entry's or init.cc's own
  }
}

}  // namespace sandbox_run::launch
