// Entry: from the supervisor into the namespaces. The clone, in a user and a pid namespace of its own, makes the
// others and executes init. It shares the supervisor's memory and runs on a small stack of its
// own until then, so its cost does not grow with the supervisor; it makes raw system calls only.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "launch/steps.h"

namespace sandbox_run::launch {

struct EntryStack {
  alignas(16) char bytes[8192];
};

// What the clone reads and writes in the supervisor's memory. It must stay until init has reported or the clone is
// dead.
struct EntryArguments {
  std::uint64_t namespaces = 0;  // CLONE_NEW… of those that the clone makes itself
  int control = -1;              // becomes init's descriptor 0
  int init_file = -1;            // sealed memory file
  Step inject_step = Step::cgroup_create;
  int inject_errno = 0;                             // 0: none
  volatile Step failed_step = Step::cgroup_create;  // written by the clone
  volatile int error = 0;                           // not 0: the clone failed and left
  EntryStack stack;
};

// clone3(2) into new user and pid namespaces, sharing memory; `cgroup` is for CLONE_INTO_CGROUP, -1: none. Answers the
// child's pid and its pidfd, or a negative errno.
long clone_entry(int cgroup, EntryArguments* arguments, int* pidfd);

}  // namespace sandbox_run::launch
