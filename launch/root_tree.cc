// Theory of operation. The root is a small tmpfs per launch: making it costs less than a look-up of a shared one would
// save, and no inode (hence no lock, lease or time stamp) is shared between two runs. Files, directories and mount
// points are made while the tmpfs is a detached mount that only this process holds; then it becomes read-only.
//
// A mount point below an earlier mount has to stand in that mount: `Trees` finds the deepest one above a path and makes
// the missing directories there, if it is memory of ours. Submitted or host content is never written to, so a target
// below a bind must exist in it.
#include "launch/root_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "base/files.h"
#include "base/path.h"

namespace sandbox_run::launch {
namespace {

using Kind = PlannedMount::Kind;

constexpr Bytes kRootSize{4 << 20};
constexpr std::uint64_t kRootInodes = 1024;

// Directories of ours, by where they will be seen.
class Trees {
 public:
  explicit Trees(int root) { trees_.push_back({"", root, true}); }

  // `directory`: descriptor of the tree's top. `ours`: it is memory made for this run, so things may be made in it.
  void add(const std::string& target, int directory, bool ours) { trees_.push_back({target, directory, ours}); }

  struct Place {
    int directory;
    std::string path;  // relative, without a leading slash; empty: the tree's top itself
    bool ours;
  };
  Place find(const std::string& target) const {
    for (auto tree = trees_.rbegin(); tree != trees_.rend(); ++tree) {
      if (tree->target.empty()) break;
      if (!is_at_or_below(target, tree->target)) continue;
      return {tree->directory, target.size() == tree->target.size() ? "" : target.substr(tree->target.size() + 1),
              tree->ours};
    }
    return {trees_.front().directory, target.substr(1), true};
  }

  // Whether this is the first time that the directory is wanted: each is made once, without looking whether it is
  // there.
  bool is_new(int directory, const std::string& path) { return made_.emplace(directory, path).second; }

 private:
  struct Tree {
    std::string target;
    int directory;
    bool ours;
  };
  std::vector<Tree> trees_;
  std::set<std::pair<int, std::string>> made_;
};

Status make_one_directory(Trees& trees, int directory, const std::string& path) {
  if (trees.is_new(directory, path) && ::mkdirat(directory, path.c_str(), 0755) != 0 && errno != EEXIST)
    return host_error(errno, "cannot make /" + path + " in the new root");
  return {};
}

// Only called in trees of ours, which hold no symbolic link that we did not make.
Status make_parents(Trees& trees, int directory, const std::string& path) {
  for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
    TRY_STATUS(make_one_directory(trees, directory, path.substr(0, slash)));
  return {};
}

Status make_directory(Trees& trees, const std::string& target) {
  const Trees::Place place = trees.find(target);
  if (place.path.empty()) return {};
  if (!place.ours) {
    TRY(UniqueFd there, open_beneath(place.directory, place.path, O_PATH | O_DIRECTORY, kResolveStrict));
    return {};
  }
  TRY_STATUS(make_parents(trees, place.directory, place.path));
  return make_one_directory(trees, place.directory, place.path);
}

Status make_file(Trees& trees, const std::string& target, const std::string& content) {
  const Trees::Place place = trees.find(target);
  if (!place.ours || place.path.empty())
    return input_error("file " + target + " would stand in a mounted host directory, which is never written to");
  TRY_STATUS(make_parents(trees, place.directory, place.path));
  // A mount point: one call where open and close are two.
  if (content.empty() && ::mknodat(place.directory, place.path.c_str(), S_IFREG | 0444, 0) == 0) return {};
  UniqueFd file(::openat(place.directory, place.path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0444));
  if (!file) return host_error(errno, "cannot make " + target + " in the new root");
  return content.empty() ? Status{} : write_all(file.get(), content, target);
}

// A mount point of the right kind for what comes on it.
Status make_target(Trees& trees, const std::string& target, bool directory) {
  if (directory) return make_directory(trees, target);
  const Trees::Place place = trees.find(target);
  if (place.ours) return make_file(trees, target, "");
  TRY(UniqueFd there, open_beneath(place.directory, place.path, O_PATH, kResolveStrict));
  return {};
}

Result<bool> is_directory(int fd, const std::string& name) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return host_error(errno, "cannot look at " + name);
  return S_ISDIR(status.st_mode);
}

Status make_layer_directories(int layers, const OverlayMount& overlay, const Identity& identity) {
  for (const char* name : {"lower", "upper", "work"})
    if (::mkdirat(layers, name, 0755) != 0 || ::fchownat(layers, name, identity.program, identity.program, 0) != 0)
      return host_error(errno, "cannot make an overlay's layers");
  TRY(UniqueFd upper, open_beneath(layers, "upper", O_RDONLY | O_DIRECTORY, kResolveStrict));
  Trees trees(upper.get());
  for (const std::string& path : overlay.upper_directories) {
    TRY_STATUS(make_parents(trees, upper.get(), path));
    if ((::mkdirat(upper.get(), path.c_str(), 0755) != 0 && errno != EEXIST) ||
        ::fchownat(upper.get(), path.c_str(), identity.program, identity.program, AT_SYMLINK_NOFOLLOW) != 0)
      return host_error(errno, "cannot make " + path + " in the upper layer of " + overlay.target);
  }
  for (const auto& [path, content] : overlay.upper_files) {
    TRY_STATUS(make_parents(trees, upper.get(), path));
    TRY(UniqueFd file, open_beneath(upper.get(), path, O_WRONLY | O_CREAT | O_EXCL, kResolveStrict, 0644));
    TRY_STATUS(write_all(file.get(), content, path));
    if (::fchown(file.get(), identity.program, identity.program) != 0)
      return host_error(errno, "cannot give " + path + " in the upper layer of " + overlay.target + " to its user");
  }
  return {};
}

// One mount opened; `opened` are the earlier ones, for aliases.
Result<OpenedMount> open_mount(const MountPlan& plan, std::size_t index, const std::vector<OpenedMount>& opened,
                               const Identity& identity, bool& directory) {
  const PlannedMount& planned = plan.mounts[index];
  OpenedMount out;
  out.planned = index;
  directory = true;
  switch (planned.kind) {
    case Kind::device: {
      directory = false;
      TRY(out.mount, namespaces::clone_device(planned.source, planned.device_major, planned.device_minor));
      return out;
    }
    case Kind::tmpfs: {
      const namespaces::TmpfsOptions options{planned.size, planned.inodes, 0700, identity.program, identity.program};
      TRY(out.mount, namespaces::make_tmpfs(options, planned.attributes));
      return out;
    }
    case Kind::alias: {
      for (const OpenedMount& earlier : opened) {
        if (earlier.planned != planned.alias_of) continue;
        // Pid 2 clones it once it is attached: kernels before 6.15 clone no detached mount.
        out.mount.reset(::fcntl(earlier.mount.get(), F_DUPFD_CLOEXEC, 3));
        if (!out.mount) return host_error(errno, "cannot keep a descriptor for " + planned.target);
        return out;
      }
      return self_error("mount " + planned.target + " shows a file system that is not there");
    }
    case Kind::bind: {
      TRY(UniqueFd source, open_path(planned.source, O_PATH));
      TRY(directory, is_directory(source.get(), planned.source));
      TRY(out.mount, namespaces::clone_mount(source.get(), planned.source, false, planned.attributes));
      return out;
    }
    case Kind::overlay: {
      TRY(UniqueFd lower, open_path(planned.source, O_PATH | O_DIRECTORY));
      namespaces::MountAttributes lower_attributes;
      lower_attributes.read_only = true;
      TRY(out.mount, namespaces::clone_mount(lower.get(), planned.source, false, lower_attributes));
      const namespaces::TmpfsOptions options{planned.size, planned.inodes, 0755, identity.program, identity.program};
      TRY(out.layers, namespaces::make_tmpfs(options, namespaces::MountAttributes{}));
      TRY_STATUS(make_layer_directories(out.layers.get(), *planned.overlay, identity));
      return out;
    }
  }
  return self_error("unknown kind of mount");
}

}  // namespace

Result<RootTree> make_root_tree(const MountPlan& plan, const Identity& identity) {
  RootTree tree;
  namespaces::MountAttributes root_attributes;
  const namespaces::TmpfsOptions options{kRootSize, kRootInodes, 0755, identity.setup, identity.setup};
  TRY(tree.root, namespaces::make_tmpfs(options, root_attributes));
  Trees trees(tree.root.get());
  for (std::size_t index = 0; index < plan.mounts.size(); ++index) {
    const PlannedMount& planned = plan.mounts[index];
    bool directory = true;
    auto opened = open_mount(plan, index, tree.mounts, identity, directory);
    if (!opened && planned.optional && (opened.error().sys_errno == ENOENT || opened.error().sys_errno == ENOTDIR))
      continue;
    if (!opened) return std::move(opened).error();
    if (auto made = make_target(trees, planned.target, directory); !made)
      return host_error("cannot mount " + planned.source + " at " + planned.target + ": " + made.error().what);
    const bool ours = planned.kind == Kind::tmpfs || planned.kind == Kind::alias;
    if (directory && planned.kind != Kind::overlay) trees.add(planned.target, opened.value().mount.get(), ours);
    tree.mounts.push_back(std::move(opened).value());
    if (tree.mounts.back().layers) {
      tree.layers.emplace_back(::fcntl(tree.mounts.back().layers.get(), F_DUPFD_CLOEXEC, 3));
      if (!tree.layers.back()) return host_error(errno, "cannot keep a descriptor of " + planned.target);
    }
    if (index == plan.scratch) {
      tree.scratch.reset(::fcntl(tree.mounts.back().mount.get(), F_DUPFD_CLOEXEC, 3));
      if (!tree.scratch) return host_error(errno, "cannot keep a descriptor of the scratch directory");
    }
  }
  for (const std::string& directory : plan.directories) TRY_STATUS(make_directory(trees, directory));
  for (const PlannedFile& file : plan.files) TRY_STATUS(make_file(trees, file.target, file.content));
  for (const auto& [path, target] : plan.links) {
    TRY_STATUS(make_parents(trees, tree.root.get(), path.substr(1)));
    if (::symlinkat(target.c_str(), tree.root.get(), path.c_str() + 1) != 0)
      return host_error(errno, "cannot make " + path + " in the new root");
  }
  root_attributes.read_only = true;
  TRY_STATUS(namespaces::restrict_mount(tree.root.get(), "the new root", root_attributes));
  return tree;
}

}  // namespace sandbox_run::launch
