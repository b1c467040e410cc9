#include "sum-verify/source_tree.h"

#include <fcntl.h>

#include <algorithm>

#include "base/files.h"
#include "base/path.h"
#include "sum-verify/module_zip.h"
#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {
namespace {

class SubmissionTree final : public SourceTree {
 public:
  SubmissionTree(const ingest::Submission& submission, const std::string& prefix)
      : submission_(submission), prefix_(prefix) {
    for (const ingest::SubmittedFile& file : submission.files) {
      if (prefix == ".") {
        index(file.path);
      } else if (file.path.size() > prefix.size() && is_at_or_below(file.path, prefix)) {
        index(file.path.substr(prefix.size() + 1));
      }
    }
  }

  Result<std::string> read(const std::string& path) const override {
    const std::string full = join_path(prefix_, path);
    TRY(const UniqueFd file, open_beneath(submission_.root.get(), full, O_RDONLY | O_NONBLOCK, kResolveStrict));
    return read_to_end(file.get(), Bytes{kMaxZipBytes}, full);
  }

 private:
  const ingest::Submission& submission_;
  std::string prefix_;
};

class ZipTree final : public SourceTree {
 public:
  ZipTree(ZipArchive archive, const std::string& prefix) : archive_(std::move(archive)) {
    for (const ZipEntry& entry : archive_.entries()) {
      if (entry.is_directory()) continue;
      const std::string path = entry.name.substr(prefix.size());
      index(path);
      entries_.emplace(path, &entry);
    }
  }

  Result<std::string> read(const std::string& path) const override {
    const auto found = entries_.find(path);
    if (found == entries_.end()) return self_error("read " + path + ": the zip has no such file");
    std::string content;
    TRY_STATUS(archive_.read(*found->second, content));
    return content;
  }

 private:
  ZipArchive archive_;
  std::map<std::string, const ZipEntry*> entries_;
};

}  // namespace

bool SourceTree::has(const std::string& path) const { return paths_.contains(path); }

const std::vector<std::string>& SourceTree::list(const std::string& directory) const {
  static const std::vector<std::string> kNone;
  const auto found = directories_.find(directory);
  return found == directories_.end() ? kNone : found->second;
}

bool SourceTree::has_go_files(const std::string& directory) const {
  const auto& names = list(directory);
  return std::any_of(names.begin(), names.end(), [](const std::string& name) { return name.ends_with(".go"); });
}

std::vector<std::string> SourceTree::directories() const {
  std::vector<std::string> names;
  for (const auto& [name, files] : directories_) names.push_back(name);
  return names;
}

void SourceTree::index(const std::string& path) {
  if (!paths_.insert(path).second) return;
  const std::string_view parent = directory_part(path);
  auto& names = directories_[parent.empty() ? "." : std::string(parent)];
  const std::string name(base_name(path));
  names.insert(std::upper_bound(names.begin(), names.end(), name), name);
}

std::unique_ptr<SourceTree> submission_tree(const ingest::Submission& submission, const std::string& prefix) {
  return std::make_unique<SubmissionTree>(submission, prefix);
}

std::unique_ptr<SourceTree> zip_tree(ZipArchive archive, const std::string& prefix) {
  return std::make_unique<ZipTree>(std::move(archive), prefix);
}

}  // namespace sandbox_run::sum_verify
