#include "ingest/snapshot_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/files.h"
#include "base/path.h"
#include "ingest/name_key.h"

namespace sandbox_run::ingest {
namespace {

constexpr std::size_t kMostDropped = 100;
constexpr std::uint64_t kProgressFiles = 512;

Error over_files(const Limits& limits, std::string_view what) {
  return input_error(fmt::format("refused: more than {} {}; raise that cap with --max-files", limits.files, what));
}

Error over_bytes(const Limits& limits, const std::string& path) {
  return input_error(fmt::format("refused: with \"{}\" the files come to more than {}; raise that cap with --max-bytes",
                                 escape(path), format_bytes(limits.bytes)));
}

}  // namespace

SnapshotWriter::SnapshotWriter(std::string directory, const Limits& limits, NameRules rules, Narrator& narrator)
    : directory_(std::move(directory)), limits_(limits), rules_(rules), narrator_(&narrator) {}

Result<SnapshotWriter> SnapshotWriter::create(const std::string& directory, const Limits& limits, NameRules rules,
                                              Narrator& narrator) {
  SnapshotWriter writer(directory, limits, rules, narrator);
  if (::mkdir(directory.c_str(), 0700) != 0)
    return host_error(errno, "cannot create the snapshot's directory " + directory);
  TRY(writer.root_, open_path(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  return writer;
}

Result<bool> SnapshotWriter::begin_file(const std::string& path, std::optional<Bytes> declared) {
  TRY(const bool skip, left_out(path));
  skipping_ = skip;
  declared_ = declared;
  current_ = SubmittedFile{path, {}, {}};
  if (skip) {
    if (++skipped_files_ > limits_.files) return over_files(limits_, "version control files");
    return false;
  }
  if (files_.size() >= limits_.files) return over_files(limits_, "files");
  if (declared && (declared->count > limits_.bytes.count || bytes_ > limits_.bytes.count - declared->count))
    return over_bytes(limits_, path);
  TRY_STATUS(make_parents(path));
  TRY_STATUS(claim(path, false));
  // Every name below the root is of our own making, so only EXCL and NOFOLLOW are left to ask for.
  TRY(file_, open_beneath(parent_.get(), std::string(base_name(path)), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                          kResolveStrict, 0444));
  if (::fchmod(file_.get(), 0444) != 0) return host_error(errno, "cannot set the permissions of " + escape(path));
  return true;
}

Status SnapshotWriter::write(std::string_view data) {
  if (skipping_) {
    skipped_bytes_ += data.size();
    if (skipped_bytes_ > limits_.bytes.count) return over_bytes(limits_, current_.path);
    return {};
  }
  if (declared_ && current_.size.count + data.size() > declared_->count)
    return input_error(fmt::format("refused \"{}\": it has more bytes than the {} it states", escape(current_.path),
                                   declared_->count));
  TRY_STATUS(count_bytes(data.size()));
  hash_.update(data);
  current_.size.count += data.size();
  return write_all(file_.get(), data, "the snapshot of " + escape(current_.path));
}

Status SnapshotWriter::end_file() {
  if (skipping_) return {};
  file_.reset();
  if (declared_ && current_.size.count != declared_->count)
    return input_error(fmt::format("refused \"{}\": it has {} bytes where it states {}", escape(current_.path),
                                   current_.size.count, declared_->count));
  current_.sha256 = hash_.finish();
  files_.push_back(std::move(current_));
  if (files_.size() % kProgressFiles == 0) narrator_->progress("reading the submission", files_.size(), 0);
  return {};
}

Status SnapshotWriter::add_file(const std::string& path, std::string_view content) {
  TRY(const bool wanted, begin_file(path, Bytes{content.size()}));
  if (!wanted) return {};
  TRY_STATUS(write(content));
  return end_file();
}

Result<bool> SnapshotWriter::add_directory(const std::string& path) {
  TRY(const bool skip, left_out(path));
  if (skip) return false;
  TRY_STATUS(make_parents(path + "/x"));
  return true;
}

void SnapshotWriter::drop(const std::string& what) {
  if (std::find(dropped_.begin(), dropped_.end(), what) != dropped_.end()) return;
  if (dropped_.size() < kMostDropped)
    dropped_.push_back(what);
  else
    ++more_dropped_;
}

// Checks the name; true, and said once, for what belongs to a version control system.
Result<bool> SnapshotWriter::left_out(const std::string& path) {
  TRY_STATUS(check_path(path, limits_, rules_));
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    if (is_version_control_name(std::string_view(path).substr(start, end - start))) {
      drop(fmt::format("dropped {}: version control data", escape(path.substr(0, end))));
      return true;
    }
    start = end + 1;
  }
  return false;
}

// Takes `path` for a file or directory; refuses a second file of that name, and names that differ only in ways some
// file system ignores: two readers of one tree must not see two programs.
Status SnapshotWriter::claim(const std::string& path, bool is_directory) {
  auto [at, is_new] = names_.try_emplace(name_key(path), Known{path, is_directory});
  if (is_new) return {};
  const Known& known = at->second;
  if (known.path != path)
    return input_error(fmt::format(
        "refused: \"{}\" and \"{}\" differ only in case or Unicode form and collide on other systems; rename one",
        escape(known.path), escape(path)));
  if (known.is_directory != is_directory)
    return input_error(fmt::format("refused: \"{}\" is both a file and a directory", escape(path)));
  if (!is_directory) return input_error(fmt::format("refused: \"{}\" is there twice", escape(path)));
  return {};
}

// Makes the directories above `path` and leaves the last one open in parent_.
Status SnapshotWriter::make_parents(const std::string& path) {
  const std::string parent(directory_part(path));
  if (parent_ && parent == parent_path_) return {};
  for (std::size_t end = parent.find('/'); !parent.empty(); end = parent.find('/', end + 1)) {
    TRY_STATUS(make_directory(parent.substr(0, end)));
    if (end == std::string::npos) break;
  }
  TRY(parent_, open_beneath(root_.get(), parent.empty() ? "." : parent, O_PATH | O_DIRECTORY, kResolveStrict));
  parent_path_ = parent;
  return {};
}

Status SnapshotWriter::make_directory(const std::string& path) {
  const std::size_t before = names_.size();
  TRY_STATUS(claim(path, true));
  if (names_.size() == before) return {};
  if (directories_.size() >= limits_.files) return over_files(limits_, "directories");
  if (::mkdirat(root_.get(), path.c_str(), 0700) != 0)
    return host_error(errno, "cannot create the snapshot of " + escape(path));
  directories_.push_back(path);
  return {};
}

Status SnapshotWriter::count_bytes(std::uint64_t more) {
  if (more > limits_.bytes.count - bytes_) return over_bytes(limits_, current_.path);
  bytes_ += more;
  return {};
}

Status SnapshotWriter::keep_only(const std::string& keep) {
  const std::string prefix = keep + "/";
  const auto outside = [&](const std::string& path) { return path.compare(0, prefix.size(), prefix) != 0; };
  std::size_t beside = 0;
  for (const SubmittedFile& file : files_) beside += outside(file.path);
  if (beside != 0)
    drop(fmt::format("dropped {} files outside {}: the module's directory is the root", beside, escape(keep)));
  std::erase_if(files_, [&](const SubmittedFile& file) { return outside(file.path); });
  for (SubmittedFile& file : files_) file.path.erase(0, prefix.size());
  std::erase_if(directories_, outside);
  for (std::string& path : directories_) path.erase(0, prefix.size());

  parent_.reset();
  root_.reset();
  const std::string whole = directory_ + ".whole";
  if (::rename(directory_.c_str(), whole.c_str()) != 0 ||
      ::rename((whole + "/" + keep).c_str(), directory_.c_str()) != 0)
    return host_error(errno, "cannot move the snapshot's root to " + escape(keep));
  TRY(root_, open_path(directory_, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  return remove_tree(AT_FDCWD, whole);
}

Result<SnapshotWriter::Written> SnapshotWriter::finish(const std::string& keep) {
  if (keep != ".") TRY_STATUS(keep_only(keep));
  for (auto path = directories_.rbegin(); path != directories_.rend(); ++path)
    if (::fchmodat(root_.get(), path->c_str(), 0555, 0) != 0)
      return host_error(errno, "cannot make the snapshot of " + escape(*path) + " read-only");
  if (::fchmodat(AT_FDCWD, directory_.c_str(), 0555, 0) != 0)
    return host_error(errno, "cannot make " + directory_ + " read-only");
  std::sort(files_.begin(), files_.end(),
            [](const SubmittedFile& a, const SubmittedFile& b) { return a.path < b.path; });
  if (more_dropped_ != 0) dropped_.push_back(fmt::format("dropped {} more", more_dropped_));
  return Written{std::move(root_), std::move(files_), std::move(dropped_)};
}

}  // namespace sandbox_run::ingest
