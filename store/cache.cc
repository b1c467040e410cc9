#include "store/cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/directory.h"
#include "store/entries.h"

namespace sandbox_run::store {

namespace {

Result<std::vector<std::string>> kinds_in(const std::string& state_directory) {
  std::vector<std::string> kinds;
  TRY_STATUS(for_each_entry(state_directory, [&](const dirent& entry) -> Status {
    const std::string name = entry.d_name;
    struct stat info {};
    if (name.starts_with('.') || name == "run" || name == "tmp") return {};
    if (::lstat((state_directory + "/" + name).c_str(), &info) == 0 && S_ISDIR(info.st_mode)) kinds.push_back(name);
    return {};
  }));
  std::sort(kinds.begin(), kinds.end());
  return kinds;
}

}  // namespace

Result<std::vector<CacheUsage>> usage(const std::string& state_directory) {
  TRY(std::vector<std::string> kinds, kinds_in(state_directory));
  std::vector<CacheUsage> result;
  for (const std::string& kind : kinds) {
    TRY(std::vector<Entry> entries, entries_of(state_directory + "/" + kind));
    CacheUsage sum{kind, entries.size(), Bytes{0}};
    for (const Entry& entry : entries) sum.bytes = sum.bytes + entry.bytes;
    result.push_back(sum);
  }
  return result;
}

Result<CacheUsage> clear(const std::string& state_directory, const std::string& kind) {
  TRY(std::vector<std::string> kinds, kinds_in(state_directory));
  if (!kind.empty() && std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    std::string known;
    for (const std::string& name : kinds) known += (known.empty() ? "" : ", ") + name;
    return input_error("there is no cache '" + kind + "' in " + state_directory +
                       "; there is: " + (known.empty() ? "nothing" : known));
  }
  CacheUsage removed{kind, 0, Bytes{0}};
  for (const std::string& name : kinds) {
    if (kind.empty() ? name == "toolchains" : name != kind) continue;
    TRY_STATUS(remove_remains(state_directory + "/" + name));
    TRY(std::vector<Entry> entries, entries_of(state_directory + "/" + name));
    for (const Entry& entry : entries) {
      TRY(bool gone, remove_entry(state_directory + "/" + name, entry.name));
      if (!gone) continue;
      ++removed.entries;
      removed.bytes = removed.bytes + entry.bytes;
    }
  }
  return removed;
}

}  // namespace sandbox_run::store
