// ArtifactCache: programs that were built before, by everything they depend on. Re-hashed on use: an entry whose bytes
// are not what was published is dropped, not run.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "go-build/artifact.h"

namespace sandbox_run::go_build {

// A sealed, executable memfd with a program in it, and what it is.
struct SealedProgram {
  UniqueFd program;
  Sha256Digest sha256;
  Bytes size;
  std::string notes;  // kept with it: a line each
};

// Copies an open file from its start. Fails with: Fault::host; EFBIG where it is larger than `cap`.
Result<SealedProgram> seal_program(int file_fd, Bytes cap);

class ArtifactCache {
 public:
  explicit ArtifactCache(std::string state_directory) : directory_(std::move(state_directory) + "/artifacts") {}

  // `key` is a digest over everything the artifact depends on. nullopt: not here, or damaged (and removed).
  // Fails with: Fault::host where the entry cannot be looked at (no descriptor, no memory): it stays.
  Result<std::optional<SealedProgram>> find(const Sha256Digest& key) const;
  // Keeps the program under `key`, then removes the least recently used until all fit into `cap`.
  Status keep(const Sha256Digest& key, const SealedProgram& program, Bytes cap = Bytes{2ull << 30}) const;

  std::string entry_path(const Sha256Digest& key) const { return directory_ + "/" + key.hex(); }

 private:
  std::string directory_;
};

}  // namespace sandbox_run::go_build
