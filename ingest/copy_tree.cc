#include "ingest/copy_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/directory.h"
#include "base/files.h"

namespace sandbox_run::ingest {
namespace {

// What kept us from reading is the submitter's to mend, unless the machine ran out of something.
Error unreadable(int error, const std::string& path) {
  const std::string attempt = fmt::format("cannot read \"{}\" of the submission", escape(path));
  if (error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO) return host_error(error, attempt);
  return input_error(error, attempt);
}

const char* kind_of(mode_t mode) {
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISDIR(mode)) return "a directory";
  return "no regular file";
}

Error irregular(mode_t mode, const std::string& path) {
  return input_error(fmt::format("refused \"{}\": it is {}; only regular files and directories are accepted{}",
                                 escape(path), kind_of(mode), S_ISLNK(mode) ? ", so put the file itself there" : ""));
}

bool changed(const struct stat& before, const struct stat& after) {
  const auto differ = [](const timespec& a, const timespec& b) {
    return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
  };
  return before.st_size != after.st_size || differ(before.st_mtim, after.st_mtim) ||
         differ(before.st_ctim, after.st_ctim);
}

class TreeCopy {
 public:
  TreeCopy(const Selection& selection, const Limits& limits, SnapshotWriter& writer)
      : selection_(selection), limits_(limits), writer_(writer), buffer_(128 * 1024) {}

  Status directory(int fd, const std::string& path);
  Status file(int parent, const std::string& name, const std::string& path);
  std::optional<uid_t> owner;  // of the root; where set, hard links to files of others are refused

 private:
  Result<std::vector<std::string>> list(int fd, const std::string& path);
  Status entry(int parent, const std::string& name, const std::string& path);
  Status content(int fd, const struct stat& before, const std::string& path);
  bool selected(const std::string& directory, const std::string& name) const;

  const Selection& selection_;
  const Limits& limits_;
  SnapshotWriter& writer_;
  std::vector<char> buffer_;
  std::uint64_t listed_ = 0;
};

// The names in a directory, sorted, so that of two faults always the same one is reported.
Result<std::vector<std::string>> TreeCopy::list(int fd, const std::string& path) {
  std::vector<std::string> names;
  const Status listed = for_each_entry(fd, path, [&](const dirent& entry) -> Status {
    // Before the writer counts: a directory of ten million names must not be listed to its end first.
    if (++listed_ > 2 * limits_.files + 1000)
      return input_error(
          fmt::format("refused: more than {} files and directories; raise that cap with --max-files", limits_.files));
    names.emplace_back(entry.d_name);
    return {};
  });
  if (!listed)
    return listed.error().fault == Fault::input ? listed.error() : unreadable(listed.error().sys_errno, path);
  std::sort(names.begin(), names.end());
  return names;
}

bool TreeCopy::selected(const std::string& directory, const std::string& name) const {
  if (selection_.go_files.empty() || directory != selection_.go_files_directory || !name.ends_with(".go")) return true;
  return selection_.go_files.contains(name);
}

Status TreeCopy::directory(int fd, const std::string& path) {
  TRY(const std::vector<std::string> names, list(fd, path));
  for (const std::string& name : names) {
    if (!selected(path, name)) {
      writer_.drop(
          fmt::format("dropped Go files of {} that were not named", path == "." ? "the directory" : escape(path)));
      continue;
    }
    TRY_STATUS(entry(fd, name, path == "." ? name : path + "/" + name));
  }
  return {};
}

Status TreeCopy::entry(int parent, const std::string& name, const std::string& path) {
  if (is_version_control_name(name)) {
    TRY([[maybe_unused]] const bool wanted, writer_.add_directory(path));  // left out and said; a .git file as well
    return {};
  }
  struct stat info {};
  if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return unreadable(errno, path);
  if (S_ISREG(info.st_mode)) return file(parent, name, path);
  if (!S_ISDIR(info.st_mode)) return irregular(info.st_mode, path);
  TRY(const bool wanted, writer_.add_directory(path));
  if (!wanted) return {};
  auto fd =
      open_beneath(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, kResolveStrict | RESOLVE_NO_XDEV);
  if (!fd && fd.error().sys_errno == EXDEV)
    return input_error(
        fmt::format("refused \"{}\": another file system is mounted there; copy what it holds", escape(path)));
  if (!fd) return unreadable(fd.error().sys_errno, path);
  return directory(fd->get(), path);
}

Status TreeCopy::file(int parent, const std::string& name, const std::string& path) {
  // NONBLOCK and the fstat below: what was a regular file a moment ago may be a FIFO by now.
  auto fd = open_beneath(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, kResolveStrict | RESOLVE_NO_XDEV);
  if (!fd && fd.error().sys_errno == EXDEV)
    return input_error(
        fmt::format("refused \"{}\": another file system is mounted there; copy the file itself", escape(path)));
  if (!fd && fd.error().sys_errno == ELOOP) return irregular(S_IFLNK, path);
  if (!fd) return unreadable(fd.error().sys_errno, path);
  struct stat before {};
  if (::fstat(fd->get(), &before) != 0) return unreadable(errno, path);
  if (!S_ISREG(before.st_mode)) return irregular(before.st_mode, path);
  if (owner && before.st_nlink > 1 && before.st_uid != *owner)
    return input_error(
        fmt::format("refused \"{}\": it is a hard link to a file of another owner; put a copy there", escape(path)));
  return content(fd->get(), before, path);
}

Status TreeCopy::content(int fd, const struct stat& before, const std::string& path) {
  TRY(const bool wanted, writer_.begin_file(path, Bytes{static_cast<std::uint64_t>(before.st_size)}));
  if (!wanted) return {};
  const Error while_read = input_error(
      fmt::format("refused \"{}\": it changed while it was read; run again when nothing writes to it", escape(path)));
  std::uint64_t total = 0;
  for (;;) {
    const ssize_t got = ::read(fd, buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(errno, path);
    if (got == 0) break;
    total += static_cast<std::uint64_t>(got);
    if (total > static_cast<std::uint64_t>(before.st_size)) return while_read;
    TRY_STATUS(writer_.write({buffer_.data(), static_cast<std::size_t>(got)}));
  }
  struct stat after {};
  if (::fstat(fd, &after) != 0) return unreadable(errno, path);
  if (total != static_cast<std::uint64_t>(before.st_size) || changed(before, after)) return while_read;
  return writer_.end_file();
}

}  // namespace

Result<UniqueFd> open_directory(const std::string& path) {
  auto fd = open_path(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
  if (!fd) return unreadable(fd.error().sys_errno, path);
  return fd;
}

Status copy_tree(int root, const Selection& selection, const Limits& limits, SnapshotWriter& writer) {
  struct stat info {};
  if (::fstat(root, &info) != 0) return host_error(errno, "cannot look at the submission's directory");
  TreeCopy copy(selection, limits, writer);
  copy.owner = info.st_uid;
  return copy.directory(root, ".");
}

Status copy_file(int directory, const std::string& name, const std::string& as, SnapshotWriter& writer) {
  struct stat info {};
  if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return unreadable(errno, as);
  if (!S_ISREG(info.st_mode)) return irregular(info.st_mode, as);
  const Selection everything;
  const Limits limits;
  return TreeCopy(everything, limits, writer).file(directory, name, as);
}

}  // namespace sandbox_run::ingest
