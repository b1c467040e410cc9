// copy_tree: a directory of the submitter's → SnapshotWriter, opening nothing outside that directory and nothing that
// is not a regular file.
#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "ingest/snapshot_writer.h"

namespace sandbox_run::ingest {

// What of a tree is taken.
struct Selection {
  // In this directory (relative, "." is the root) only these .go files: the ones a user named. Empty: all.
  std::string go_files_directory;
  std::set<std::string> go_files;
};

// Opens a directory the user named. Fails with: Fault::input where there is none.
Result<UniqueFd> open_directory(const std::string& path);

// Copies everything below `root` but version control data. Symbolic links, devices, FIFOs, sockets, mount points and
// hard links to another owner's files are refused by name; a file that changes while it is read is refused.
// Hard links among one owner's files are ordinary: copying into a file system of ours already severs them.
// Fails with: Fault::input (what, which file, what to do), Fault::host.
Status copy_tree(int root, const Selection& selection, const Limits& limits, SnapshotWriter& writer);

// One file, named by the user; `as` is its path in the snapshot.
Status copy_file(int directory, const std::string& name, const std::string& as, SnapshotWriter& writer);

}  // namespace sandbox_run::ingest
