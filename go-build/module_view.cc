#include "go-build/module_view.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "base/path.h"
#include "go-build/inside.h"
#include "store/store.h"
#include "sum-verify/module_cache.h"

namespace sandbox_run::go_build {
namespace {

// A launch passes one descriptor per mount in one message of at most 250; beyond this many modules the trees are linked
// into one directory instead.
constexpr std::size_t kMostTreeMounts = 180;

constexpr Bytes kMaxGoMod{16 << 20};  // cmd/go's own limit

Status write_below(const std::string& directory, const std::string& name, std::string_view content) {
  std::string path = directory + "/" + name;
  TRY_STATUS(make_directories(parent_of(path)));
  TRY(UniqueFd file, open_path(path, O_WRONLY | O_CREAT | O_EXCL, 0444));
  return write_all(file.get(), content, path);
}

Status write_download(const std::string& directory, const sum_verify::VerifiedModule& module) {
  using sum_verify::CacheFile;
  std::string text = fmt::format("module {}\n", module.module.path);
  if (!module.go_mod_path.empty()) {
    TRY(text, read_file(module.go_mod_path, kMaxGoMod));
  }
  TRY(std::string mod, sum_verify::cache_path(module.module, CacheFile::mod));
  TRY_STATUS(write_below(directory, mod, text));
  TRY(std::string info, sum_verify::cache_path(module.module, CacheFile::info));
  TRY_STATUS(write_below(directory, info, fmt::format("{{\"Version\":\"{}\"}}", module.module.version)));
  if (module.tree_path.empty()) return {};
  TRY(std::string ziphash, sum_verify::cache_path(module.module, CacheFile::ziphash));
  return write_below(directory, ziphash, module.zip_h1);
}

// The same inodes under another name: read-only, ours, and never writable by a build. Falls back to a copy where the
// store is on another file system.
Status link_tree(const std::string& from, const std::string& to) {
  namespace fs = std::filesystem;
  std::error_code error;
  TRY_STATUS(make_directories(to));
  for (fs::recursive_directory_iterator entry(from, error), end; !error && entry != end; entry.increment(error)) {
    std::string target = to + "/" + fs::relative(entry->path(), from, error).string();
    if (error) break;
    if (entry->is_symlink(error) || (!entry->is_directory(error) && !entry->is_regular_file(error)))
      return self_error(
          fmt::format("{} in the module store is neither a file nor a directory", entry->path().string()));
    if (entry->is_directory(error)) {
      TRY_STATUS(make_directories(target));
    } else if (::link(entry->path().c_str(), target.c_str()) != 0) {
      fs::copy_file(entry->path(), target, error);
    }
    if (error) break;
  }
  if (error) return host_error(error.value(), fmt::format("cannot lay out the module at {}", from));
  return {};
}

}  // namespace

Result<std::vector<launch::BindMount>> lay_out_modules(const sum_verify::VerifiedTree& tree,
                                                       const std::string& directory) {
  std::vector<launch::BindMount> mounts;
  if (tree.modules.empty() || tree.vendored) return mounts;
  auto trees =
      std::count_if(tree.modules.begin(), tree.modules.end(), [](const auto& m) { return !m.tree_path.empty(); });
  bool link = static_cast<std::size_t>(trees) > kMostTreeMounts;
  for (const auto& module : tree.modules) {
    TRY_STATUS(write_download(directory, module));
    if (module.tree_path.empty()) continue;
    TRY(std::string name, sum_verify::cache_tree_path(module.module));
    if (link) {
      TRY_STATUS(link_tree(module.tree_path, directory + "/" + name));
    } else {
      mounts.push_back(launch::BindMount{module.tree_path, fmt::format("{}/{}", inside::kModules, name), false, false});
    }
  }
  // Whatever our umask: the build's user must be able to read it, and nobody to change it.
  if (link) {
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error))
      if (entry->is_directory(error) && ::chmod(entry->path().c_str(), 0755) != 0)
        return host_error(errno, "cannot open " + entry->path().string() + " to the build");
    if (error) return host_error(error.value(), "cannot read " + directory);
    mounts.push_back(launch::BindMount{directory, std::string(inside::kModules), false, false});
  } else {
    TRY_STATUS(store::make_read_only(directory + "/cache"));
    mounts.push_back(launch::BindMount{directory + "/cache", fmt::format("{}/cache", inside::kModules), false, false});
  }
  return mounts;
}

}  // namespace sandbox_run::go_build
