#include "base/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/path.h"

namespace sandbox_run {
namespace {

constexpr mode_t kOwnUmask = 022;

mode_t g_callers_umask = kOwnUmask;  // set once, before the first thread

bool is_replaceable(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode);
}

// Whether a new file can be made there.
Status check_directory(const std::string& path) {
  const std::string directory = parent_of(path);
  if (::access(directory.c_str(), W_OK | X_OK) == 0) return {};
  return input_error(errno, fmt::format("cannot write {}: directory {}", path, directory));
}

}  // namespace

void take_callers_umask() { g_callers_umask = ::umask(kOwnUmask); }

mode_t as_caller_says(mode_t mode) { return mode & ~g_callers_umask; }

Status write_output(const std::string& path, std::string_view data, mode_t mode) {
  if (is_replaceable(path)) return replace_file(path, data, as_caller_says(mode));
  TRY(const UniqueFd file, open_output(path, mode));
  return write_all(file.get(), data, path);
}

Result<UniqueFd> open_output(const std::string& path, mode_t mode) {
  // O_NONBLOCK for the open alone: without it a pipe that nobody reads would be waited for, for ever.
  TRY(UniqueFd file, open_path(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_NONBLOCK, as_caller_says(mode)));
  if (::fcntl(file.get(), F_SETFL, 0) != 0) return host_error(errno, "cannot write " + path);
  return file;
}

Status check_open_output(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return check_directory(path);
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return input_error(EISDIR, "cannot write " + path);
  if (::access(path.c_str(), W_OK) == 0 || errno == ENOENT) return {};  // a link to nothing yet: opening it says
  return input_error(errno, "cannot write " + path);
}

Status check_output_directory(const std::string& path) {
  std::string there = path;
  struct stat info {};
  while (::stat(there.c_str(), &info) != 0) {
    if (errno != ENOENT) return input_error(errno, fmt::format("cannot write into {}", path));
    const std::string above = parent_of(there);
    if (above == there) break;
    there = above;
  }
  if (!S_ISDIR(info.st_mode)) return input_error(ENOTDIR, fmt::format("cannot write into {}: {}", path, there));
  if (::access(there.c_str(), W_OK | X_OK) == 0) return {};
  return input_error(errno, fmt::format("cannot write into {}: directory {}", path, there));
}

Status check_output(const std::string& path) {
  return is_replaceable(path) ? check_directory(path) : check_open_output(path);
}

}  // namespace sandbox_run
