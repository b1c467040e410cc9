#include "store/entries.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "base/files.h"
#include "store/store.h"

namespace sandbox_run::store {

namespace {

bool is_entry_name(std::string_view name) {
  return !name.starts_with('.') && !name.ends_with(kLockSuffix) && !name.ends_with(kFillingSuffix) &&
         !name.ends_with(kRemovedSuffix);
}

// Sums allocated blocks without following links. What vanishes while we look has size 0: others remove entries too.
Bytes disk_space(int dir_fd, const char* name) {
  struct stat info {};
  if (::fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return Bytes{0};
  Bytes sum{static_cast<std::uint64_t>(info.st_blocks) * 512};  // st_blocks counts 512-byte units, stat(2)
  if (!S_ISDIR(info.st_mode)) return sum;
  int fd = ::openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return sum;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd), &::closedir);
  if (!dir) {
    ::close(fd);
    return sum;
  }
  while (dirent* entry = ::readdir(dir.get())) {
    std::string_view child = entry->d_name;
    if (child != "." && child != "..") sum = sum + disk_space(fd, entry->d_name);
  }
  return sum;
}

}  // namespace

Result<std::vector<std::string>> entry_names(const std::string& directory) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), &::closedir);
  if (!dir && errno == ENOENT) return names;
  if (!dir) return host_error(errno, "cannot list " + directory);
  while (dirent* child = ::readdir(dir.get()))
    if (is_entry_name(child->d_name)) names.emplace_back(child->d_name);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<Entry>> entries_of(const std::string& directory) {
  TRY(std::vector<std::string> names, entry_names(directory));
  std::vector<Entry> entries;
  if (names.empty()) return entries;
  TRY(UniqueFd fd, open_path(directory, O_RDONLY | O_DIRECTORY));
  for (const std::string& name : names) {
    struct stat info {};
    if (::fstatat(fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;  // just removed by another
    entries.push_back({name, disk_space(fd.get(), name.c_str()),
                       static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec});
  }
  return entries;
}

Status remove_remains(const std::string& directory) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), &::closedir);
  if (!dir && errno == ENOENT) return {};
  if (!dir) return host_error(errno, "cannot list " + directory);
  while (dirent* child = ::readdir(dir.get()))
    if (std::string_view(child->d_name).ends_with(kRemovedSuffix))
      TRY_STATUS(remove_tree(::dirfd(dir.get()), child->d_name));
  return {};
}

Result<bool> remove_entry(const std::string& directory, const std::string& name) {
  TRY(UniqueFd parent, open_path(directory, O_RDONLY | O_DIRECTORY));
  UniqueFd entry(::openat(parent.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!entry && errno == ENOENT) return false;
  if (!entry) return host_error(errno, "cannot open " + directory + "/" + name + " to remove it");
  if (::flock(entry.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    return host_error(errno, "cannot lock " + directory + "/" + name + " to remove it");
  }
  // Out of sight first: nobody finds half an entry, and after a kill the next removal takes the rest.
  const std::string removed = name + kRemovedSuffix;
  TRY_STATUS(remove_tree(parent.get(), removed));
  if (::renameat(parent.get(), name.c_str(), parent.get(), removed.c_str()) != 0) {
    if (errno == ENOENT) return false;
    return host_error(errno, "cannot rename " + directory + "/" + name + " to remove it");
  }
  TRY_STATUS(remove_tree(parent.get(), removed));
  return true;
}

}  // namespace sandbox_run::store
