#include "launch/steps_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "launch/walls.h"

namespace sandbox_run::launch {
namespace {

// What usually helps; the errno decides between "not allowed" and "not there".
const char* remedy(Step step, int sys_errno) {
  switch (step) {
    case Step::namespace_clone:
    case Step::namespace_enter:
      if (sys_errno == ENOSPC || sys_errno == EUSERS)
        return "raise user.max_user_namespaces and its siblings (sysctl user.max_user_namespaces=65536)";
      return "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 and "
             "kernel.apparmor_restrict_unprivileged_userns=0, or run as root; in a container, docker run --privileged";
    case Step::identity_map:
      return "run as root, or let one id be mapped (newer kernels need no AppArmor userns limit)";
    case Step::mount_private:
    case Step::root_attach:
    case Step::root_pivot:
      return "in a container, mounts must be allowed: docker run --privileged";
    case Step::limit_set:
      return sys_errno == EPERM ? "the hard limit that we were started with is lower: raise it ('ulimit -H -a' shows "
                                  "them; in a container, docker run --ulimit nofile=65536)"
                                : "";
    case Step::proc_make:
      return "mounting /proc needs a /proc without masks around: docker run --privileged";
    case Step::filter_install:
      return "the kernel needs CONFIG_SECCOMP_FILTER and user notification (Linux 5.9)";
    case Step::cgroup_join:
      return sys_errno == EINVAL ? "a real-time scheduling policy cannot be taken along: start without it (chrt -o 0)"
                                 : "";
    case Step::init_exec:
      return "executing a memory file must be allowed: sysctl vm.memfd_noexec=0";
    case Step::program_exec:
      return sys_errno == ENOEXEC  ? "it is no program for this machine"
             : sys_errno == ENOENT ? "its interpreter is not in the sandbox"
                                   : "";
    default:
      return "";
  }
}

}  // namespace

Error step_error(Step step, int sys_errno, const std::string& detail) {
  std::string what = std::string("launch ") + facts_of(step).name + ": ";
  if (!detail.empty()) what += detail + ": ";
  what += std::strerror(sys_errno);
  std::string help = remedy(step, sys_errno);
  // A hardening that the host lacks ends a run only where it was asked for.
  if (const Hardening* hardening = hardening_of(step); hardening && help.empty())
    help = fmt::format("to get what --require {} asks for: {}; 'sandbox-run doctor' lists what this host has",
                       hardening->name, hardening->remedy);
  if (!help.empty()) what += "; " + help;
  const bool programs_fault = step == Step::program_exec;
  return Error{programs_fault ? Fault::input : Fault::host, sys_errno, std::move(what)};
}

Error in_step(Step step, Error error) {
  error.what = std::string("launch ") + facts_of(step).name + ": " + error.what;
  return error;
}

}  // namespace sandbox_run::launch
