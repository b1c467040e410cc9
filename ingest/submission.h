// Submission: what was submitted, copied once into a private read-only snapshot, hashed while it was copied, and named
// only by descriptor from there on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "base/unique_fd.h"
#include "base/units.h"

namespace sandbox_run::ingest {

// Caps on what is accepted; each has a flag. Over a cap the submission is refused, never cut.
struct Limits {
  std::uint64_t files = 20'000;    // --max-files; directories are counted apart, against the same number
  Bytes bytes{256ull << 20};       // --max-bytes: of all files together
  std::uint32_t depth = 64;        // --max-depth: path components
  std::uint32_t name_bytes = 255;  // --max-name: of one component
};

struct SubmittedFile {
  std::string path;  // relative to the snapshot's root, '/'-separated, no leading "./"
  Bytes size;
  Sha256Digest sha256;
};

struct Submission {
  enum class Kind { directory, files, archive, text_archive, standard_input, module_version, executable };

  Kind kind = Kind::directory;
  UniqueFd root;              // O_PATH directory of the snapshot: files 0444, directories 0555, ours
  std::string snapshot_path;  // where that directory is, for mounting; below a RunDirectory of ours, mode 0700
  std::string package = ".";  // the package asked for: "." or "./cmd/tool", relative to root
  std::string module = ".";   // where the main module's go.mod is, relative to root: "." unless --root is higher
  std::vector<std::string> go_files;  // named one by one (run a.go b.go), relative to root: build these, not the
                                      // package; empty: the whole package
  std::vector<SubmittedFile> files;   // sorted by path
  std::vector<std::string> dropped;   // what was left out and why ("dropped .git: a version control directory")
  std::string name;                   // what a person would call it: "main.go", "examples/hello", "m@v1.2.3"
  bool has_go_mod = false;            // a go.mod in `module`

  // SHA-256 over "hex  path\n" of all files in order: equal trees, equal digests.
  Sha256Digest tree_digest() const;
  Bytes total_bytes() const;
  const SubmittedFile* find(const std::string& path) const;  // null where there is none
};

}  // namespace sandbox_run::ingest
