#include "base/directory.h"

#include <fcntl.h>

#include <memory>
#include <string_view>

#include "base/unique_fd.h"

namespace sandbox_run {

Status for_each_entry(int directory, const std::string& name, const std::function<Status(const dirent&)>& visit) {
  UniqueFd again(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!again) return host_error(errno, "cannot list " + name);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again.get()), &::closedir);
  if (!stream) return host_error(errno, "cannot list " + name);
  again.release();  // closedir closes it
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) return errno == 0 ? Status{} : Status(host_error(errno, "cannot list " + name));
    const std::string_view called = entry->d_name;
    if (called != "." && called != "..") TRY_STATUS(visit(*entry));
  }
}

Status for_each_entry(const std::string& path, const std::function<Status(const dirent&)>& visit) {
  const UniqueFd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return host_error(errno, "cannot list " + path);
  return for_each_entry(directory.get(), path, visit);
}

}  // namespace sandbox_run
