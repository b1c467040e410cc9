#include "runner/collect.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/directory.h"
#include "base/files.h"
#include "base/output_file.h"
#include "base/text.h"

namespace sandbox_run::runner {
namespace {

constexpr int kDeepest = 64;             // directories below each other; a deeper tree is the program's joke
constexpr std::size_t kMostNotes = 100;  // lines about what was not copied

struct Walk {
  const std::vector<Collect>& wanted;
  std::vector<bool> matched;  // of each, whether anything did
  int root;
  std::uint64_t left;  // bytes that may still be written: a sparse file costs the program nothing, and us its size
  std::vector<std::string> skipped;
  std::size_t notes = 0;

  void skip(const std::string& path, const std::string& why) {
    if (++notes > kMostNotes) return;
    skipped.push_back("--out: skipped " + escape_line(path) + ": " + why);
  }
};

Status copy(int from, const std::string& to, std::uint64_t size) {
  TRY_STATUS(make_directories(std::filesystem::path(to).parent_path().string(), as_caller_says(0755)));
  TRY(UniqueFd target, open_path(to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, as_caller_says(0644)));
  for (std::uint64_t left = size; left > 0;) {
    ssize_t sent = ::sendfile(target.get(), from, nullptr, left);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return host_error(errno, "cannot write " + to);
    if (sent == 0) break;
    left -= static_cast<std::uint64_t>(sent);
  }
  return {};
}

void take(Walk& walk, const std::string& path) {
  for (std::size_t i = 0; i < walk.wanted.size(); ++i) {
    const Collect& want = walk.wanted[i];
    if (::fnmatch(want.glob.c_str(), path.c_str(), FNM_PATHNAME | FNM_PERIOD) != 0) continue;
    walk.matched[i] = true;
    auto file = open_beneath(walk.root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, kResolveStrict | RESOLVE_NO_XDEV);
    struct stat info {};
    if (!file || ::fstat(file->get(), &info) != 0 || !S_ISREG(info.st_mode)) {
      walk.skip(path, "not a regular file");
    } else if (info.st_nlink != 1) {
      walk.skip(path, "it has more than one name");
    } else if (escape_line(path) != path) {
      walk.skip(path, "its name is not plain text");
    } else if (static_cast<std::uint64_t>(info.st_size) > walk.left) {
      walk.skip(path, "the files come to more than --scratch");
    } else {
      walk.left -= static_cast<std::uint64_t>(info.st_size);
      Status copied = copy(file->get(), want.directory + "/" + path, static_cast<std::uint64_t>(info.st_size));
      if (!copied) walk.skip(path, copied.error().what);
    }
  }
}

void descend(Walk& walk, const std::string& path, int depth) {
  if (depth > kDeepest) return walk.skip(path, "too deep");
  auto fd = open_beneath(walk.root, path.empty() ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                         kResolveStrict | RESOLVE_NO_XDEV);
  if (!fd) return walk.skip(path, "not readable");
  const Status listed = for_each_entry(fd->get(), path, [&](const dirent& entry) -> Status {
    const std::string child = path.empty() ? entry.d_name : path + "/" + entry.d_name;
    if (entry.d_type == DT_DIR)
      descend(walk, child, depth + 1);
    else
      take(walk, child);
    return {};
  });
  if (!listed) walk.skip(path, "cannot be listed to its end");
}

}  // namespace

std::vector<std::string> collect(const std::vector<Collect>& wanted, int scratch_fd, Bytes most) {
  if (wanted.empty() || scratch_fd < 0) return {};
  Walk walk{wanted, std::vector<bool>(wanted.size()), scratch_fd, most.count, {}};
  descend(walk, "", 0);
  if (walk.notes > kMostNotes)
    walk.skipped.push_back("--out: skipped " + std::to_string(walk.notes - kMostNotes) + " more");
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (!walk.matched[i]) walk.skipped.push_back("--out: the program left no file that matches " + wanted[i].glob);
  return std::move(walk.skipped);
}

}  // namespace sandbox_run::runner
