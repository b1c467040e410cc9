// Actions: what each step of the script does to the calling process. Used by init and pid 2 before its exec.
#pragma once

#include "launch/exchange.h"

namespace sandbox_run::launch {

// seccomp(2). WAIT_KILLABLE_RECV is Linux 5.19's: without it every signal repeats a notification that was received but
// not answered.
inline constexpr long kListenerFlags = 1 << 3;  // NEW_LISTENER
inline constexpr long kWaitKillable = 1 << 5;   // WAIT_KILLABLE_RECV

// What the rows of one launch share.
struct ScriptState {
  Exchange* exchange;
  const int* descriptors;  // by ScriptDescriptor and mount position
  int root = -1;           // descriptor of the new root's mount
  int proc = -1;           // descriptor of our procfs
  int landlock = -1;       // ruleset
};

// 0 or more, or a negative errno.
long perform(ScriptState& state, const Row& row);

}  // namespace sandbox_run::launch
