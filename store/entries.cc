#include "store/entries.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/directory.h"
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
  const UniqueFd fd(::openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return sum;
  (void)for_each_entry(fd.get(), name, [&](const dirent& child) -> Status {
    sum = sum + disk_space(fd.get(), child.d_name);
    return {};
  });  // removed meanwhile: then it takes no space
  return sum;
}

}  // namespace

Result<std::vector<std::string>> entry_names(const std::string& directory) {
  std::vector<std::string> names;
  const Status listed = for_each_entry(directory, [&](const dirent& child) -> Status {
    if (is_entry_name(child.d_name)) names.emplace_back(child.d_name);
    return {};
  });
  if (!listed && listed.error().sys_errno != ENOENT) return listed.error();
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
  const Status listed = for_each_entry(directory, [&](const dirent& child) -> Status {
    if (!std::string_view(child.d_name).ends_with(kRemovedSuffix)) return {};
    return remove_tree(AT_FDCWD, directory + "/" + child.d_name);
  });
  return !listed && listed.error().sys_errno == ENOENT ? Status{} : listed;
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
