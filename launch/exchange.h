// Exchange: the memory that supervisor and init share for one launch, as plain data. The script (what init and pid 2
// do, row by row) is in it before init looks; argv and environment of the program are written at start(), while pid 2
// stands in its paused execveat. The program never has it: exec replaces pid 2's memory.
//
// Compiled into both the supervisor and the freestanding init: no library, no constructor.
#pragma once

#include <cstdint>

#include "launch/steps.h"

namespace sandbox_run::launch {

// Where init maps it. argv pointers are absolute, so both sides must know; init is linked at 4 MiB, the stack is high.
inline constexpr std::uint64_t kExchangeAddress = 0x1'0000'0000;

struct Row {
  Step step;
  std::uint8_t is_optional;  // a hardening or /dev/fd: failure is noted in `result`, the launch goes on
  std::uint8_t reserved;
  std::int32_t inject_errno;  // not 0: fail with it instead of acting (fault injection)
  std::uint32_t text;         // offset from the exchange's start of a NUL-terminated string, 0: none
  std::int32_t result;        // written by the child: errno of an optional step that failed
  std::int64_t a, b, c;       // by step, see init.cc
};

struct Exchange {
  std::uint32_t row_count;
  std::uint32_t rows;           // offset
  std::uint32_t filter;         // offset of sock_filter[]
  std::uint32_t filter_length;  // instructions
  std::uint32_t pause_number;   // system call that the filter hands to the supervisor before the program's exec
  std::int32_t exec_errno;      // written by pid 2 when its execveat returns
  std::int32_t wait_killable;   // written by pid 2: the filter can have WAIT_KILLABLE_RECV
};

// The part for start(): sparse, so only what is used costs memory.
inline constexpr std::uint32_t kCompactLimit = 256 << 10;
inline constexpr std::uint32_t kArgumentSlots = 32768;  // argv pointers, the null included
inline constexpr std::uint32_t kEnvironmentSlots = 8192;
inline constexpr std::uint32_t kArgumentsAt = kCompactLimit;
inline constexpr std::uint32_t kEnvironmentAt = kArgumentsAt + 8 * kArgumentSlots;
inline constexpr std::uint32_t kStringsAt = kEnvironmentAt + 8 * kEnvironmentSlots;
inline constexpr std::uint32_t kStringsLimit = 2 << 20;  // the kernel takes a quarter of an 8 MiB stack limit
inline constexpr std::uint32_t kExchangeSize = kStringsAt + kStringsLimit;

// Pid 2 executes it; close-on-exec. Behind the descriptors that a program may be given, and below the least
// --open-files.
inline constexpr int kProgramDescriptor = 7;
inline constexpr int kFirstGivenDescriptor = 3;

// First descriptors of the script message, in this order; the mounts follow. Rows name descriptors by position.
enum ScriptDescriptor : int { kExchangeFd, kStatusFd, kStdinFd, kStdoutFd, kStderrFd, kFirstMountFd };
inline constexpr int kMostDescriptors = 250;  // SCM_MAX_FD is 253

// Init's answer on the control socket: ready (with the listener as SCM_RIGHTS) or the step that failed.
struct LaunchReport {
  enum Kind : std::uint32_t { ready = 0x72656164, failed = 0x6661696c } kind;
  std::uint32_t step;
  std::uint32_t row;
  std::int32_t error;
};

// Init's last word on the status pipe: waitid(2)'s si_code and si_status of pid 2.
struct StatusRecord {
  static constexpr std::uint32_t kMagic = 0x73746174;
  std::uint32_t magic;
  std::int32_t code;
  std::int32_t status;
  std::uint32_t reserved;
};
static_assert(sizeof(StatusRecord) == 16);

}  // namespace sandbox_run::launch
