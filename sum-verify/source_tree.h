// SourceTree: the files of one module, whether they are in the snapshot or in a verified zip.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "ingest/submission.h"
#include "sum-verify/zip_archive.h"

namespace sandbox_run::sum_verify {

class SourceTree {
 public:
  virtual ~SourceTree() = default;
  // The content of a file that has() names. Fails with: Fault::input or Fault::host, naming the file.
  virtual Result<std::string> read(const std::string& path) const = 0;

  bool has(const std::string& path) const;
  // The names of the files directly in `directory` ("." is the root), sorted.
  const std::vector<std::string>& list(const std::string& directory) const;
  // Any .go file at all, whatever builds select: the go command's test for "there is a package here".
  bool has_go_files(const std::string& directory) const;
  // All directories that hold files, sorted; "." first.
  std::vector<std::string> directories() const;

 protected:
  void index(const std::string& path);

 private:
  std::map<std::string, std::vector<std::string>> directories_;
  std::set<std::string> paths_;
};

// The part of a submission's snapshot below `prefix` ("." for all of it). The submission must outlive the tree.
std::unique_ptr<SourceTree> submission_tree(const ingest::Submission& submission, const std::string& prefix);

// The entries of a module zip that check_module_zip accepted; `prefix` is "path@version/". `zip_fd` must outlive it.
std::unique_ptr<SourceTree> zip_tree(ZipArchive archive, const std::string& prefix);

}  // namespace sandbox_run::sum_verify
