#include "go-build/std_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <sstream>
#include <thread>

#include "base/files.h"
#include "base/sha256.h"
#include "base/thread.h"
#include "go-build/build_plan.h"
#include "go-build/go_command.h"
#include "go-build/inside.h"
#include "store/store.h"

namespace sandbox_run::go_build {
namespace {

namespace fs = std::filesystem;

constexpr Bytes kCap{3ull << 30};  // about ten toolchains
// Go 1.25 to 1.27 fill 250 to 280 MiB. With less than the first there is no use in beginning; with less than the second
// left at a failed end, the disk is why.
constexpr Bytes kLeastRoom{200ull << 20};
constexpr Bytes kNoRoom{32ull << 20};

// Packages to come, for the progress bar: directories of GOROOT/src with a Go file that is no test. Near enough.
std::uint64_t count_packages(const std::string& goroot) {
  std::uint64_t packages = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(goroot + "/src", error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().filename();
    if (!entry->is_directory(error)) continue;
    if (name == "testdata" || name == "builtin" || (name == "cmd" && entry.depth() == 0) || name[0] == '_' ||
        name[0] == '.') {
      entry.disable_recursion_pending();
      continue;
    }
    std::error_code unlisted;
    for (fs::directory_iterator file(entry->path(), unlisted); !unlisted && file != fs::directory_iterator();
         file.increment(unlisted)) {
      std::string file_name = file->path().filename();
      if (!file_name.ends_with(".go") || file_name.ends_with("_test.go")) continue;
      ++packages;
      break;
    }
  }
  return packages;
}

// The build's user made these files; from now on they are nobody's inside: owned by us, writable by no one. Go touches
// old entries when it uses them and takes a refusal for an answer, so nothing is copied to the private layer.
Status take_over(const fs::path& directory) {
  std::error_code error;
  auto take = [](const fs::path& path, mode_t mode) -> Status {
    if (::lchown(path.c_str(), ::geteuid(), ::getegid()) != 0 || ::chmod(path.c_str(), mode) != 0)
      return host_error(errno, "cannot take over " + path.string());
    return {};
  };
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const fs::file_status status = entry->symlink_status(error);
    if (error) break;
    if (!fs::is_directory(status) && !fs::is_regular_file(status))
      return self_error(fmt::format("{} is neither a file nor a directory", entry->path().string()));
    TRY_STATUS(take(entry->path(), fs::is_directory(status) ? 0555 : 0444));
  }
  if (error) return host_error(error.value(), "cannot read " + directory.string());
  return take(directory, 0555);
}

// Counts the lines of -v as they come. It alone talks to the narrator while the build is waited for.
class ProgressReader {
 public:
  ProgressReader(Narrator& narrator, std::uint64_t total) : narrator_(narrator), total_(total) {}
  ~ProgressReader() { finish(); }
  Status start() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return host_error(errno, "cannot make a pipe");
    read_.reset(ends[0]);
    write_.reset(ends[1]);
    TRY(thread_, start_thread("the thread that counts compiled packages", [this] { read(); }));
    return {};
  }
  int descriptor() const { return write_.get(); }
  void finish() {
    write_.reset();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void read() {
    char buffer[4096];
    std::uint64_t done = 0;
    for (ssize_t got; (got = ::read(read_.get(), buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR);) {
      for (ssize_t i = 0; i < got; ++i) done += buffer[i] == '\n';
      narrator_.progress("compiling the standard library, once", std::min(done, total_), total_);
    }
  }
  Narrator& narrator_;
  std::uint64_t total_;
  UniqueFd read_, write_;
  std::thread thread_;
};

Status ended_well(const launch::Facts& facts, const Toolchain& toolchain) {
  if (succeeded(facts)) return {};
  Error error = host_error(fmt::format("cannot compile the standard library of {} at {}: {}", toolchain.version,
                                       toolchain.goroot, describe_end(facts)));
  // Go's words for the errno. What it compiles here is its own, so nobody else has put them into its mouth.
  if (facts.stderr_stream.captured.find("no space left on device") != std::string::npos) error.sys_errno = ENOSPC;
  return error;
}

// "path=file\n" for each package, the file relative to the cache. The go command does not fail where it cannot keep
// what it compiled: a package without a file is noticed here, or programs would be told that they import what does not
// exist.
Result<std::string> list_packages(launch::Host& host, const Toolchain& toolchain, const BuildPaths& paths,
                                  const Limits& limits, int cancel_fd) {
  TRY(launch::Facts facts, run_go(host, build_plan(paths, limits, unique_id("std-list"), ::time(nullptr)), toolchain,
                                  std_list_command(limits, processors()), -1, cancel_fd));
  TRY_STATUS(ended_well(facts, toolchain));
  const std::string prefix = std::string(inside::kCache) + "/";
  std::string packages;
  std::istringstream lines(facts.stdout_stream.captured);
  for (std::string line; std::getline(lines, line);) {
    auto equals = line.find('=');
    if (equals == std::string::npos || line.substr(0, equals) == "unsafe") continue;  // the compiler's own: no file
    const std::string file =
        line.compare(equals + 1, prefix.size(), prefix) == 0 ? line.substr(equals + 1 + prefix.size()) : "";
    if (file.empty() || ::access((paths.writable_cache + "/" + file).c_str(), R_OK) != 0)
      return host_error(
          fmt::format("cannot compile the standard library of {} at {}: the go command kept nothing of {}",
                      toolchain.version, toolchain.goroot, line.substr(0, equals)));
    packages += line.substr(0, equals + 1) + file + "\n";
  }
  if (packages.empty())
    return host_error(fmt::format("cannot compile the standard library of {} at {}: 'go list std' named no package",
                                  toolchain.version, toolchain.goroot));
  return packages;
}

// `run`: a directory that only we may enter, because the cache itself must be writable for the build's user.
Status compile_into(const std::string& temporary, const std::string& run, const std::string& id, launch::Host& host,
                    const Toolchain& toolchain, Narrator& narrator, int cancel_fd) {
  const Limits limits = std_limits();
  std::string cache = run + "/cache";
  TRY_STATUS(make_directories(cache));
  if (::chmod(cache.c_str(), 0777) != 0) return host_error(errno, "cannot open " + cache + " to the build");
  TRY(BuildPaths paths, paths_of(toolchain));
  paths.writable_cache = cache;
  narrator.note(fmt::format("compiling the standard library of {}, once", toolchain.version));
  ProgressReader progress(narrator, count_packages(toolchain.goroot));
  TRY_STATUS(progress.start());
  TRY(launch::Facts facts, run_go(host, build_plan(paths, limits, id, ::time(nullptr)), toolchain,
                                  std_command(limits, processors()), progress.descriptor(), cancel_fd));
  progress.finish();
  TRY_STATUS(ended_well(facts, toolchain));
  TRY(std::string packages, list_packages(host, toolchain, paths, limits, cancel_fd));
  TRY_STATUS(replace_file(temporary + "/packages", packages, 0444));
  return move_cache(cache, temporary + "/cache");
}

Error no_room(const Toolchain& toolchain, const std::string& state_directory, Bytes left, const std::string& why) {
  return Error{
      Fault::host, ENOSPC,
      fmt::format("no room to compile the standard library of {}: the file system of {} has {} left, and about "
                  "300 MiB are needed, once{}",
                  toolchain.version, state_directory, format_bytes(left), why)};
}

Status fill(launch::Host& host, const Toolchain& toolchain, const std::string& state_directory, Narrator& narrator,
            int cancel_fd, const std::string& temporary) {
  TRY(Bytes before, free_space(state_directory));
  if (before < kLeastRoom) return no_room(toolchain, state_directory, before, "");
  std::string id = unique_id("std");
  TRY(auto run, store::RunDirectory::create(state_directory, id));
  Status filled = compile_into(temporary, run.path(), id, host, toolchain, narrator, cancel_fd);
  if (filled || filled.error().sys_errno == ECANCELED) return filled;
  // While what was compiled is still there: the go command's words alone would blame a package.
  TRY(Bytes after, free_space(state_directory));
  if (after < kNoRoom || is_out_of_space(filled.error().sys_errno))
    return no_room(toolchain, state_directory, after, " (" + filled.error().what + ")");
  return filled;
}

}  // namespace

Status move_cache(const std::string& filled, const std::string& to) {
  TRY_STATUS(take_over(filled));
  // A directory is renamed only with its own write bit when its ".." changes.
  if (::chmod(filled.c_str(), 0755) != 0 || ::rename(filled.c_str(), to.c_str()) != 0)
    return host_error(errno, "cannot move the compiled standard library into place");
  if (::chmod(to.c_str(), 0555) != 0) return host_error(errno, "cannot close " + to);
  return {};
}

Result<PackageNames> std_package_names(const StdCache& library) {
  TRY(const std::string packages, read_file(library.packages_path, kMostPackagesBytes));
  PackageNames names;
  std::istringstream lines(packages);
  for (std::string line; std::getline(lines, line);) names.insert(line.substr(0, line.find('=')));
  return names;
}

Result<StdCache> std_cache(launch::Host& host, const Toolchain& toolchain, const std::string& state_directory,
                           Narrator& narrator, int cancel_fd) {
  TRY(std::string what, identity(toolchain));
  Sha256Digest key = sha256(fmt::format("{}\n{}", kRecipe, what));
  std::string directory = state_directory + "/std";
  TRY_STATUS(make_directories(directory));
  std::string path = fmt::format("{}/{}-{:.16}", directory, toolchain.version, key.hex());
  bool filled = false;
  StdCache cache;
  TRY(cache.held, store::fill_and_hold(
                      path,
                      [&](const std::string& temporary) {
                        filled = true;
                        return fill(host, toolchain, state_directory, narrator, cancel_fd, temporary);
                      },
                      store::Durability::synced, cancel_fd));
  cache.path = path + "/cache";
  cache.packages_path = path + "/packages";
  if (filled) TRY_STATUS(store::evict(directory, kCap));
  return cache;
}

}  // namespace sandbox_run::go_build
