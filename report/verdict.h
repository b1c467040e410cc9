// Verdict: how a request ended, in the one vocabulary that the report, the exit status and every door share.
#pragma once

#include <string_view>

namespace sandbox_run::report {

// name, exit status of `sandbox-run run` (-1: the program's own), what it means
#define SANDBOX_RUN_VERDICTS(X)                                                          \
  X(ok, -1, "exited with 0")                                                             \
  X(runtime_error, -1, "exited with another code")                                       \
  X(signalled, -1, "killed by a signal that no wall of ours sent")                       \
  X(cpu_time_exceeded, 124, "used more processor time than --cpu-time")                  \
  X(wall_time_exceeded, 124, "took longer than --wall-time")                             \
  X(memory_exceeded, 122, "used more memory than --memory")                              \
  X(output_exceeded, 123, "wrote more than --output")                                    \
  X(process_limit_exceeded, 123, "failed after more tasks than --pids were refused")     \
  X(file_limit_exceeded, 123, "failed after a file or the scratch space was full")       \
  X(syscall_denied, 159, "made a system call that the profile denies")                   \
  X(build_failed, 121, "did not compile, or compiled to something the ELF gate refuses") \
  X(build_limit_exceeded, 121, "the build hit one of its own limits")                    \
  X(verify_failed, 120, "is not what go.sum says, or cannot be vouched for")             \
  X(rejected, 120, "refused as it was given: nothing of it ran")                         \
  X(canceled, 130, "ended by SIGINT, SIGTERM, SIGHUP, SIGQUIT or the caller")            \
  X(internal_error, 125, "our own failure or the host's; says nothing about the program")

enum class Verdict {
#define X(name, exit_status, meaning) name,
  SANDBOX_RUN_VERDICTS(X)
#undef X
};

std::string_view verdict_name(Verdict verdict);
std::string_view verdict_meaning(Verdict verdict);
// -1 where the program's own end decides: its exit code, or 128 + signal.
int fixed_exit_status(Verdict verdict);

}  // namespace sandbox_run::report
