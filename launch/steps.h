// Steps of a launch, in the order in which each actor does them (the actors work side by side): one table for what is
// done, by whom, what a failure is called and why it stands where it does. Errors, --dry-run, the script of the child
// and fault injection all come from it.
#pragma once

#include <cstdint>

namespace sandbox_run::launch {

// Who performs a step. The supervisor is the host's process; entry is the clone before it executes init (raw calls on
// a small stack, memory shared with the supervisor); init is pid 1; program is pid 2 before it becomes the program.
enum class Actor : std::uint8_t { supervisor, entry, init, program };

// X(enumerator, "name", actor, "why here")
#define SANDBOX_RUN_LAUNCH_STEPS(X)                                                                                   \
  X(exchange_make, "exchange.make", supervisor, "the page the script travels in, and argv later")                     \
  X(namespace_clone, "namespace.clone", supervisor, "user and pid at once, by pidfd; the others beside our own work") \
  X(namespace_enter, "namespace.enter", entry, "mount, net, ipc and uts, owned by the user namespace of the clone")   \
  X(init_capabilities, "init.capabilities", entry, "ambient: ids are unmapped yet, so exec would drop them")          \
  X(init_exec, "init.exec", entry, "a sealed memory file: nothing of the supervisor's memory stays")                  \
  X(identity_map, "identity.map", supervisor, "setgroups denied first; a host uid no other run has, never 0")         \
  X(cgroup_create, "cgroup.create", supervisor, "before the first task it limits; on v2 before the clone, too")       \
  X(stdio_make, "stdio.make", supervisor, "anonymous pipes only: no description is shared with the host's")           \
  X(root_make, "root.make", supervisor, "a new tmpfs filled while nobody else can see it")                            \
  X(mount_open, "mount.open", supervisor, "sources are opened by the host's view, by descriptor from here on")        \
  X(script_send, "script.send", supervisor, "all descriptors travel in one message")                                  \
  X(init_script, "init.script", init, "maps the exchange page, takes the pipes as 0, 1 and 2")                        \
  X(cgroup_join, "cgroup.join", init, "before anything that can grow: all that follows is charged to the run")        \
  X(identity_setup, "identity.setup", init, "a mapped id, so that files made below have an owner")                    \
  X(session_keyring, "session.keyring", init, "a fresh one: keyrings are per user, not per namespace")                \
  X(session_new, "session.new", init, "no controlling terminal")                                                      \
  X(namespace_cgroup, "namespace.cgroup", init, "after joining, so that its root is the run's own group")             \
  X(host_name, "host.name", init, "needs the capability that goes below")                                             \
  X(net_loopback, "net.loopback", init, "needs the capability that goes below")                                       \
  X(program_spawn, "program.spawn", init, "pid 2 shares init's memory and files until its exec")                      \
  X(init_parent_death, "init.parent-death", init, "after the last change of identity, which clears it")               \
  X(init_privileges, "init.privileges", init, "init only waits from here on: no capability, no new one")              \
  X(init_filter, "init.filter", init, "a handful of calls, else death")                                               \
  X(namespace_no_nesting, "namespace.no-nesting", program, "while the host's /proc/sys can be reached")               \
  X(mount_private, "mount.private", program, "before any mount: nothing propagates to the host")                      \
  X(proc_make, "proc.make", program, "while the old /proc is visible, which the kernel asks for")                     \
  X(proc_oom_score, "proc.oom-score", program, "while the process may still open its own file")                       \
  X(root_attach, "root.attach", program, "the new root becomes a mount, as pivot_root wants it")                      \
  X(mount_attach, "mount.attach", program, "by descriptor, targets resolved without any symbolic link")               \
  X(mount_alias, "mount.alias", program, "a second view of a mount that now is attached")                             \
  X(overlay_attach, "overlay.attach", program, "made inside, so that its upper layer dies with the run")              \
  X(proc_descriptors, "proc.descriptors", program, "/dev/fd is pid 2's own list; no /proc is needed for it")          \
  X(proc_attach, "proc.attach", program, "only where asked for")                                                      \
  X(process_undumpable, "process.undumpable", program, "init's memory, still shared; after the last look into /proc") \
  X(root_pivot, "root.pivot", program, "all mounts are in place; the old root goes next")                             \
  X(root_detach_old, "root.detach-old", program, "no path leads back to the host")                                    \
  X(root_verify, "root.verify", program, "/.. is / and / is ours")                                                    \
  X(process_own_paths, "process.own-paths", program, "init no longer shares its root and directory")                  \
  X(process_defaults, "process.defaults", program, "umask 022, personality 0")                                        \
  X(limit_set, "limit.set", program, "before the identity goes: limits only ever sink")                               \
  X(core_scheduling, "core-scheduling", program, "no stranger on the sibling thread")                                 \
  X(speculation_controls, "speculation-controls", program, "no guessing past stores or at indirect branches")         \
  X(memory_no_exec_gain, "memory-no-exec-gain", program, "no mapping becomes executable that was writable")           \
  X(landlock_create, "landlock.create", program, "after the last mount, which a Landlock domain forbids")             \
  X(landlock_allow, "landlock.allow", program, "reading anywhere, writing where the plan says")                       \
  X(landlock_restrict, "landlock.restrict", program, "a second wall behind the mounts")                               \
  X(capability_bounding, "capability.bounding", program, "while CAP_SETPCAP is still held")                           \
  X(capability_lock, "capability.lock", program, "securebits: no way back for uid 0, none for ambient ones")          \
  X(identity_drop, "identity.drop", program, "last use of a privilege was the line above")                            \
  X(capability_clear, "capability.clear", program, "all five sets empty, and read back")                              \
  X(directory_enter, "directory.enter", program, "as the program's own user: a place it may not stand is an error")   \
  X(privileges_none, "privileges.none", program, "no_new_privs: exec never gains")                                    \
  X(descriptors_close, "descriptors.close", program, "all but 0, 1 and 2 close at exec, whatever they are")           \
  X(signals_reset, "signals.reset", program, "empty mask, every disposition the default")                             \
  X(filter_wait_killable, "filter.wait-killable", program, "is it known? else each signal repeats a notification")    \
  X(filter_install, "filter.install", program, "last: it denies most of the above")                                   \
  X(program_pause, "program.pause", program, "the call the filter hands to the supervisor: prepared ends here")       \
  X(listener_receive, "listener.receive", supervisor, "denied calls are answered from here on")                       \
  X(program_arguments, "program.arguments", supervisor, "start: argv and environment into the exchange page")         \
  X(program_add, "program.add", supervisor, "close-on-exec: the program has no descriptor of itself")                 \
  X(program_continue, "program.continue", supervisor, "the first exec is the last one that is ours")                  \
  X(program_exec, "program.exec", program, "from here on nothing inside is believed")

enum class Step : std::uint16_t {
#define SANDBOX_RUN_STEP_ENUMERATOR(enumerator, name, actor, why) enumerator,
  SANDBOX_RUN_LAUNCH_STEPS(SANDBOX_RUN_STEP_ENUMERATOR)
#undef SANDBOX_RUN_STEP_ENUMERATOR
};

struct StepFacts {
  const char* name;
  Actor actor;
  const char* why;
};

inline constexpr StepFacts kSteps[] = {
#define SANDBOX_RUN_STEP_FACTS(enumerator, name, actor, why) {name, Actor::actor, why},
    SANDBOX_RUN_LAUNCH_STEPS(SANDBOX_RUN_STEP_FACTS)
#undef SANDBOX_RUN_STEP_FACTS
};
inline constexpr unsigned kStepCount = sizeof kSteps / sizeof kSteps[0];

constexpr const StepFacts& facts_of(Step step) { return kSteps[static_cast<unsigned>(step)]; }

}  // namespace sandbox_run::launch
