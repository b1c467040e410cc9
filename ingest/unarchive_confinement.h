// unarchive_confinement: what sandbox-run-unarchive gives up before it parses a byte.
#pragma once

#include "base/result.h"

namespace sandbox_run::ingest {

// Unit: seconds of CPU time; unpacking the largest archive the default caps admit takes under three.
inline constexpr unsigned kUnarchiveCpuSeconds = 30;

// Limits (CPU time, address space, no new files, no file content), no_new_privs, an identity that owns nothing (where
// it was root's), and a system call filter that leaves memory, reading, writing and exiting. No way back.
// Fails with: Fault::host, naming the step.
Status confine_archive_reader();

}  // namespace sandbox_run::ingest
