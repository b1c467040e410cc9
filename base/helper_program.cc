#include "base/helper_program.h"

#include <unistd.h>

#include <vector>

namespace sandbox_run {

Result<std::string> helper_program(const std::string& name, const std::string& directory) {
  std::vector<std::string> places;
  if (!directory.empty()) {
    places = {directory + "/" + name};
  } else {
    char self[4096];
    const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
    if (length < 0) return host_error(errno, "cannot read /proc/self/exe to find " + name);
    const std::string executable(self, static_cast<std::size_t>(length));
    const std::string libexec = executable.substr(0, executable.rfind('/')) + "/../libexec";
    places = {libexec + "/" + name, libexec + "/sandbox-run/" + name};
  }
  std::string tried;
  for (const std::string& place : places) {
    if (::access(place.c_str(), X_OK) == 0) return place;
    tried += (tried.empty() ? "" : " nor ") + place;
  }
  return host_error("the helper " + name + " is not at " + tried + "; install sandbox-run again");
}

}  // namespace sandbox_run
