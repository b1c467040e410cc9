// PathClaim: the path that an event names, and whether a system call's path may be the same file's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "hooks/trace.h"

namespace sandbox_run::hooks {

struct PathClaim {
  std::string text;
  bool whole = true;  // else `text` is its beginning
};

// False only where the two cannot name one file: both are known, and neither equals the other, ends with the other (one
// is relative, and who knows to which directory) or continues it where the claim was cut. A path relative to a
// descriptor other than the working directory is not known.
bool may_be_same(const PathClaim& claim, const WitnessedCall& call);

// The path as the kernel would walk it, without "." and empty elements and with ".." undone where that is sure.
std::string clean_path(std::string_view path);

// Files that the Go runtime reads for itself: runtime/os_linux.go, internal/runtime/cgroup, internal/cpu.
bool is_runtime_path(std::string_view path);

}  // namespace sandbox_run::hooks
