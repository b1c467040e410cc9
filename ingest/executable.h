// Executable: a prebuilt program, copied once into a sealed memory file so that nobody can change it afterwards.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"
#include "ingest/submission.h"

namespace sandbox_run::ingest {

// A file that is going to be copied. Opening comes first and costs nothing; copying takes longer than most launches.
struct ExecutableFile {
  std::string path;
  UniqueFd file;
  struct stat opened {};
};

struct Executable {
  UniqueFd program;  // sealed memfd, executable
  Bytes size;
};

// The regular file at `path` (symbolic links followed: it is the caller's own word). Fails with: Fault::input where
// there is no such regular file, it is empty, or it is larger than limits.bytes.
Result<ExecutableFile> open_executable(const std::string& path, const Limits& limits);

// Copies it. Whether it may run is for the ELF gate. Fails with: Fault::input where it changed since it was opened.
Result<Executable> copy_executable(const ExecutableFile& executable);

}  // namespace sandbox_run::ingest
