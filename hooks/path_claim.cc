#include "hooks/path_claim.h"

#include <fcntl.h>

#include <vector>

namespace sandbox_run::hooks {
namespace {

// openat(dirfd, path) and its kind; symlink and mount have something else before their path.
bool relative_to_descriptor(const WitnessedCall& call) {
  const auto path = path_argument(call.number);
  const std::string name = call_name(call.number);
  if (!path || *path == 0 || name == "symlink" || name == "mount") return false;
  return static_cast<std::int32_t>(call.arguments[static_cast<std::size_t>(*path) - 1]) != AT_FDCWD;
}

// "a/b" at the end of "/x/a/b"; leading ".." of the shorter one say only that it began elsewhere.
bool ends_with_path(std::string_view whole, std::string_view end) {
  while (end.starts_with("../")) end.remove_prefix(3);
  if (end == ".." || end == "." || end.empty()) return true;
  if (!whole.ends_with(end)) return false;
  return whole.size() == end.size() || whole[whole.size() - end.size() - 1] == '/';
}

}  // namespace

std::string clean_path(std::string_view path) {
  const bool absolute = path.starts_with('/');
  std::vector<std::string_view> elements;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view element = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (element.empty() || element == ".") continue;
    if (element == ".." && !elements.empty() && elements.back() != "..") {
      elements.pop_back();
    } else if (element != ".." || !absolute) {
      elements.push_back(element);
    }
  }
  std::string clean = absolute ? "/" : "";
  for (std::size_t i = 0; i < elements.size(); ++i) clean.append(i ? "/" : "").append(elements[i]);
  return clean.empty() ? "." : clean;
}

bool may_be_same(const PathClaim& claim, const WitnessedCall& call) {
  if (!call.path || call.path->empty()) return true;
  const bool absolute = call.path->starts_with('/');
  if (!absolute && relative_to_descriptor(call)) return true;
  if (claim.text.empty()) return !claim.whole;
  if (!claim.whole) {
    // Only its beginning is known: compare as far as both go, and only what begins at the same place.
    if (claim.text.starts_with('/') != absolute) return true;
    const std::string_view witnessed = *call.path;
    return witnessed.starts_with(claim.text) || clean_path(witnessed).starts_with(clean_path(claim.text)) ||
           claim.text.find("./") != std::string::npos || claim.text.find("//") != std::string::npos;
  }
  const std::string claimed = clean_path(claim.text), witnessed = clean_path(*call.path);
  if (claimed == witnessed) return true;
  if (claim.text.starts_with('/') && absolute) return false;
  return ends_with_path(witnessed, claimed) || ends_with_path(claimed, witnessed);
}

bool is_runtime_path(std::string_view path) {
  if (path == "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size" || path == "/proc/self/auxv" ||
      path == "/proc/self/cgroup" || path == "/proc/self/mountinfo")
    return true;
  // The limits behind GOMAXPROCS are read anew while the program runs, wherever the cgroup is mounted.
  const std::size_t slash = path.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? path : path.substr(slash + 1);
  return path.starts_with("/") && (last == "cpu.max" || last == "cpu.cfs_quota_us" || last == "cpu.cfs_period_us");
}

}  // namespace sandbox_run::hooks
