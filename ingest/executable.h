// Executable: a prebuilt program, copied once into a sealed memory file so that nobody can change it afterwards.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"
#include "ingest/submission.h"

namespace sandbox_run::ingest {

struct Executable {
  UniqueFd program;  // sealed memfd, executable
  Bytes size;
};

// Copies the regular file at `path` (symbolic links followed: it is the caller's own word). Whether it may run is for
// the ELF gate. Fails with: Fault::input where there is no such regular file, it is empty, it is larger than
// limits.bytes, or it changed while it was copied.
Result<Executable> load_executable(const std::string& path, const Limits& limits);

}  // namespace sandbox_run::ingest
