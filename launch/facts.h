// Facts: what the kernel said and what we did during one run. No judgement: that is runner::classify's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "cgroups/cgroup.h"

namespace sandbox_run::launch {

// Why the supervisor ended the run, recorded before it killed; none: it did not.
enum class EndedBySupervisor {
  none,
  canceled,
  cpu_time,
  wall_time,
  memory,
  output,
  denied_call,
  denied_call_flood,
  foreign_call,
};

// As init reaped it (waitid): the program's own end.
struct ProgramStatus {
  bool exited = false;  // else killed by `signal`
  int exit_code = 0;
  int signal = 0;
};

struct DeniedCall {
  std::string syscall;  // name; empty where the number has none on that architecture
  int number = 0;
  std::string arch;  // "x86_64", "i386", "x32"
  std::uint64_t count = 0;
  std::uint64_t instruction_pointer = 0;  // of the first one
  std::chrono::microseconds first{0};     // since start
};

struct Stream {
  std::uint64_t bytes = 0;  // written by the program, whether kept or not
  std::string captured;
  bool truncated = false;  // captured is not all of it
};

struct Facts {
  EndedBySupervisor ended = EndedBySupervisor::none;
  int received_signal = 0;              // the first that we got and passed on, whatever the program made of it
  int cancel_signal = 0;                // what canceled it, if ended is canceled and it was passed on
  std::optional<ProgramStatus> status;  // absent: init did not report (killed with the rest, or itself)
  cgroups::Usage usage;                 // init's share already taken off processes_peak
  std::chrono::microseconds wall_time{0};
  Stream stdout_stream;
  Stream stderr_stream;
  std::vector<DeniedCall> denied;  // in order of first sight; a run ends before 1,001 calls
  bool scratch_full = false;       // no bytes or no inodes were left at the end (statfs before discard)
  bool file_size_hit = false;      // SIGXFSZ was the end, or after a bad end a file in scratch is as large as it may be
  std::chrono::microseconds prepare_time{0};
  std::chrono::microseconds cleanup_time{0};
  int cgroup_version = 0;
  std::string network;  // "none/fresh", "none/shared-empty", "loopback/fresh", "host"
  std::vector<std::string> weakened;
  std::vector<std::string> hardening;  // what was in force, in a fixed order
};

// The program exited with 0, by itself.
inline bool succeeded(const Facts& facts) {
  return facts.status && facts.status->exited && facts.status->exit_code == 0;
}

}  // namespace sandbox_run::launch
