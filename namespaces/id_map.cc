#include "namespaces/id_map.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/files.h"

namespace sandbox_run::namespaces {
namespace {

// The kernel takes a map in exactly one write.
Status write_once(pid_t child, const char* file, std::string_view text) {
  const std::string path = fmt::format("/proc/{}/{}", child, file);
  TRY(UniqueFd map, open_path(path, O_WRONLY));
  if (::write(map.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return host_error(errno, fmt::format("cannot write \"{}\" to {}", text, path));
  return {};
}

std::string text_of(const std::vector<IdMapping>& map) {
  std::string text;
  for (const IdMapping& line : map) text += fmt::format("{} {} {}\n", line.inside, line.outside, line.count);
  return text;
}

}  // namespace

Status write_id_maps(pid_t child, const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids) {
  TRY_STATUS(write_once(child, "setgroups", "deny"));
  TRY_STATUS(write_once(child, "gid_map", text_of(gids)));
  return write_once(child, "uid_map", text_of(uids));
}

}  // namespace sandbox_run::namespaces
