// supervise: runs a real program under a filter with a listener, as process 2 of a fresh PID namespace, and tells what
// was denied. For tests and for finding out what a program needs; it is no sandbox: there is no other wall.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.h"
#include "seccomp-profiles/filter.h"

namespace sandbox_run::seccomp_profiles::testing {

struct DeniedCall {
  seccomp_data data;  // of its first occurrence
  int count = 0;
};

struct SupervisedRun {
  int wait_status = 0;                  // of the program, as waitpid has it
  std::vector<DeniedCall> denied;       // by architecture, number and first argument, in order of occurrence
  std::string describe_denied() const;  // "socket(0x2, 0x80801, 0x0) ×2", one a line; empty if nothing was denied
};

struct SuperviseOptions {
  std::chrono::seconds patience{60};  // then the program is killed and the result is an error
  int output_fd = -1;                 // the program's stdout and stderr; -1: ours
  bool exec_once = true;              // Profile::exec_once: the listener lets the first execve/execveat through
};

// REQUIRES: CAP_SYS_ADMIN, or unprivileged user namespaces.
Result<SupervisedRun> supervise(const Filter& filter, const std::vector<std::string>& argv,
                                const SuperviseOptions& options = {});

}  // namespace sandbox_run::seccomp_profiles::testing
