#include "ingest/submission.h"

#include <algorithm>

namespace sandbox_run::ingest {

Sha256Digest Submission::tree_digest() const {
  Sha256 hash;
  for (const SubmittedFile& file : files) hash.update(file.sha256.hex() + "  " + file.path + "\n");
  return hash.finish();
}

Bytes Submission::total_bytes() const {
  Bytes total;
  for (const SubmittedFile& file : files) total = total + file.size;
  return total;
}

const SubmittedFile* Submission::find(const std::string& path) const {
  auto at = std::lower_bound(files.begin(), files.end(), path,
                             [](const SubmittedFile& file, const std::string& wanted) { return file.path < wanted; });
  return at != files.end() && at->path == path ? &*at : nullptr;
}

}  // namespace sandbox_run::ingest
