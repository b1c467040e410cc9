#include "launch/scratch_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <string_view>

#include "base/unique_fd.h"

namespace sandbox_run::launch {
namespace {

constexpr int kDeepest = 64;
constexpr int kMostNames = 16'384;

bool scan(UniqueFd directory, std::uint64_t size, int depth, int& names_left) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(directory.get()), &::closedir);
  if (!dir) return false;
  const int fd = directory.release();
  while (dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (--names_left < 0) return false;
    struct stat info {};
    if (::fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_size) >= size) return true;
    if (!S_ISDIR(info.st_mode) || depth == kDeepest) continue;
    UniqueFd child(::openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (child && scan(std::move(child), size, depth + 1, names_left)) return true;
  }
  return false;
}

}  // namespace

bool has_file_of_size(int directory, Bytes size) {
  int names_left = kMostNames;
  // A description of its own: the caller's may be O_PATH, and its position is not ours to move.
  UniqueFd top(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return top && scan(std::move(top), size.count, 0, names_left);
}

}  // namespace sandbox_run::launch
