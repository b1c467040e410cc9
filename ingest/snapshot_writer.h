// SnapshotWriter: the only way content enters a snapshot. It holds every rule that does not depend on where the content
// comes from: names, collisions, caps, version control files left out, permissions; and it hashes what it writes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/narrator.h"
#include "base/result.h"
#include "base/sha256.h"
#include "base/unique_fd.h"
#include "ingest/names.h"
#include "ingest/submission.h"

namespace sandbox_run::ingest {

// Thread: one at a time. After an error the writer is of no further use.
class SnapshotWriter {
 public:
  // Creates `directory`, which must not exist. Fails with: Fault::host.
  static Result<SnapshotWriter> create(const std::string& directory, const Limits& limits, NameRules rules,
                                       Narrator& narrator);

  // What follows is one file: begin_file, write…, end_file. `declared` is the size its source states; the file is
  // refused by it before a byte is read, and when what is written differs from it.
  // begin_file answers false where the file is left out (version control): its content need not be written.
  // Fails with: Fault::input on a name, a collision or a cap; Fault::host where the snapshot cannot be written.
  Result<bool> begin_file(const std::string& path, std::optional<Bytes> declared);
  Status write(std::string_view data);
  Status end_file();

  // All three at once.
  Status add_file(const std::string& path, std::string_view content);

  // An empty directory, or one whose files follow. False where it is left out.
  Result<bool> add_directory(const std::string& path);

  // Records a thing the caller left out, for Submission::dropped.
  void drop(const std::string& what);

  // Makes directories read-only and hands over what was written, sorted. `keep` other than "." makes that directory
  // the snapshot's root and drops what is beside it.
  struct Written {
    UniqueFd root;  // O_PATH
    std::vector<SubmittedFile> files;
    std::vector<std::string> dropped;
  };
  Result<Written> finish(const std::string& keep = ".");

  const std::vector<SubmittedFile>& files() const { return files_; }

 private:
  struct Known {
    std::string path;
    bool is_directory;
  };

  SnapshotWriter(std::string directory, const Limits& limits, NameRules rules, Narrator& narrator);
  Result<bool> left_out(const std::string& path);
  Status claim(const std::string& path, bool is_directory);
  Status make_parents(const std::string& path);
  Status make_directory(const std::string& path);
  Status count_bytes(std::uint64_t more);
  Status keep_only(const std::string& keep);

  std::string directory_;
  Limits limits_;
  NameRules rules_;
  Narrator* narrator_;
  UniqueFd root_;
  UniqueFd parent_;  // of the file last begun
  std::string parent_path_;
  UniqueFd file_;
  SubmittedFile current_;
  std::optional<Bytes> declared_;
  Sha256 hash_;
  bool skipping_ = false;
  std::uint64_t bytes_ = 0;
  std::uint64_t skipped_files_ = 0, skipped_bytes_ = 0;
  std::unordered_map<std::string, Known> names_;  // by name_key
  std::vector<std::string> directories_;          // in the order they were made: parents first
  std::vector<SubmittedFile> files_;
  std::vector<std::string> dropped_;
  std::uint64_t more_dropped_ = 0;
};

}  // namespace sandbox_run::ingest
