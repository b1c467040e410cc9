#include "base/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"

namespace sandbox_run {
namespace {

bool is_replaced(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode);
}

std::string parent_of(const std::string& path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Status write_output(const std::string& path, std::string_view data, mode_t mode) {
  if (is_replaced(path)) return replace_file(path, data, mode);
  TRY(UniqueFd fd, open_path(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY, mode));
  return write_all(fd.get(), data, path);
}

Status check_output(const std::string& path) {
  if (is_replaced(path)) {
    const std::string directory = parent_of(path);
    if (::access(directory.c_str(), W_OK | X_OK) == 0) return {};
    return input_error(errno, fmt::format("cannot write {}: directory {}", path, directory));
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return input_error(EISDIR, "cannot write " + path);
  if (::access(path.c_str(), W_OK) == 0 || errno == ENOENT) return {};  // a link to nothing yet: opening it says
  return input_error(errno, "cannot write " + path);
}

}  // namespace sandbox_run
