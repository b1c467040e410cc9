#include "cgroups/discovery.h"

#include <algorithm>

namespace sandbox_run::cgroups {
namespace {

std::vector<std::string> split(std::string_view text, std::string_view separators) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes space, tab, newline and backslash in paths as \ooo.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw": any number of fields before the dash.
std::optional<CgroupMount> parse_mount(std::string_view line) {
  const std::vector<std::string> fields = words(line);
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (dash - fields.begin() < 6 || fields.end() - dash < 4) return std::nullopt;
  CgroupMount mount;
  if (dash[1] == "cgroup2") {
    mount.version = 2;
  } else if (dash[1] == "cgroup") {
    mount.version = 1;
    mount.controllers = split(dash[3], ",");
  } else {
    return std::nullopt;
  }
  mount.root = unescape(fields[3]);
  mount.point = unescape(fields[4]);
  return mount;
}

}  // namespace

std::vector<std::string> words(std::string_view text) { return split(text, " \n"); }

std::vector<CgroupMount> parse_mountinfo(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  for (const std::string& line : split(mountinfo, "\n"))
    if (auto mount = parse_mount(line)) mounts.push_back(*std::move(mount));
  return mounts;
}

const CgroupMount* find_v1(const std::vector<CgroupMount>& mounts, std::string_view controller) {
  for (const CgroupMount& mount : mounts) {
    if (mount.version != 1) continue;
    if (std::find(mount.controllers.begin(), mount.controllers.end(), controller) != mount.controllers.end())
      return &mount;
  }
  return nullptr;
}

std::optional<std::string> parse_own_v2_group(std::string_view proc_self_cgroup) {
  for (const std::string& line : split(proc_self_cgroup, "\n"))
    if (line.starts_with("0::/")) return line.substr(3);
  return std::nullopt;
}

std::optional<std::string> directory_of(const CgroupMount& mount, std::string_view group) {
  // "/../x": our group lies outside the cgroup namespace's root, and so outside every mount made in it.
  if (group.find("/..") != std::string_view::npos) return std::nullopt;
  if (mount.root != "/") {
    if (!group.starts_with(mount.root)) return std::nullopt;
    group.remove_prefix(mount.root.size());
    if (!group.empty() && group.front() != '/') return std::nullopt;
  }
  while (!group.empty() && group.back() == '/') group.remove_suffix(1);
  return mount.point + std::string(group);
}

}  // namespace sandbox_run::cgroups
