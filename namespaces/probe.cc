#include "namespaces/probe.h"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace sandbox_run::namespaces {

Status probe_namespaces(int clone_flags) {
  const pid_t child = ::fork();
  if (child < 0) return host_error(errno, "cannot fork");
  if (child == 0) ::_exit(::unshare(CLONE_NEWUSER | clone_flags) == 0 ? 0 : errno);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) return host_error("the probing child was killed");
  if (WEXITSTATUS(status) != 0) return host_error(WEXITSTATUS(status), "unshare");
  return {};
}

}  // namespace sandbox_run::namespaces
