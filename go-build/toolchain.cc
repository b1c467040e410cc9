#include "go-build/toolchain.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <vector>

#include "base/directory.h"
#include "base/files.h"

namespace sandbox_run::go_build {
namespace {

// Offered where nothing newer was asked for.
constexpr std::string_view kSuggestedVersion = "1.26.8";

// The programs a build executes; a toolchain without one of them, or with one that others may change, is refused.
constexpr const char* kPrograms[] = {"bin/go", "pkg/tool/linux_amd64/compile", "pkg/tool/linux_amd64/link",
                                     "pkg/tool/linux_amd64/asm"};

bool take_number(std::string_view& text, unsigned& number) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return false;
  if (text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9') return false;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

std::string real_path(const std::string& path) {
  char resolved[PATH_MAX];
  return ::realpath(path.c_str(), resolved) ? std::string(resolved) : std::string();
}

// A build runs what stands here as us: only root and ourselves may be able to change it.
Status check_owner(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return host_error(errno, "cannot examine " + path);
  if (info.st_uid != 0 && info.st_uid != ::geteuid())
    return host_error(
        fmt::format("{} belongs to user {}, who could change what builds run: it must belong to root or to "
                    "the user who runs sandbox-run (chown -R root GOROOT)",
                    path, info.st_uid));
  if (info.st_mode & S_IWOTH)
    return host_error(fmt::format("{} is writable by everyone: run chmod -R o-w on its GOROOT", path));
  return {};
}

std::string goroot_of_path() {
  const char* path = std::getenv("PATH");
  if (!path) return {};
  std::string_view rest = path;
  while (!rest.empty()) {
    auto colon = rest.find(':');
    std::string directory(rest.substr(0, colon));
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    if (directory.empty() || directory[0] != '/') continue;  // relative entries would search the caller's directory
    std::string program = real_path(directory + "/go");
    if (program.empty() || ::access(program.c_str(), X_OK) != 0) continue;
    auto bin = program.rfind('/');
    auto root = program.rfind('/', bin - 1);
    if (bin != std::string::npos && root != std::string::npos && root > 0) return program.substr(0, root);
  }
  return {};
}

struct Candidate {
  std::string where;  // "PATH", for messages
  std::string goroot;
};

// Installed ones, newest first. `toolchain install` publishes by rename: names with a dot in front are not finished.
std::vector<Candidate> installed(const std::string& state_directory) {
  std::vector<std::pair<GoVersion, Candidate>> found;
  std::string root = state_directory + "/toolchains";
  // Where there are none, there is no directory.
  (void)for_each_entry(root, [&](const dirent& entry) -> Status {
    if (entry.d_name[0] == '.') return {};
    for (const char* below : {"", "/go"}) {
      std::string goroot = root + "/" + entry.d_name + below;
      auto text = read_file(goroot + "/VERSION", Bytes{4096});
      if (!text) continue;
      auto version = GoVersion::parse(text->substr(0, text->find_first_of(" \t\r\n")));
      if (version) found.push_back({*version, {"installed", goroot}});
      break;
    }
    return {};
  });
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Candidate> candidates;
  for (auto& [version, candidate] : found) candidates.push_back(std::move(candidate));
  return candidates;
}

// "1.26" asks for any 1.26.x, "1.26.8" for exactly that.
bool names_one_release(std::string_view wanted, const GoVersion& version) {
  return std::count(wanted.begin(), wanted.end(), '.') > 1 || !version.prerelease.empty();
}

bool satisfies(const Toolchain& toolchain, std::string_view wanted) {
  if (wanted.empty()) return true;
  auto have = GoVersion::parse(toolchain.version);
  auto want = GoVersion::parse(wanted);
  if (!have || !want) return false;
  if (names_one_release(wanted, *want)) return *have == *want;
  return have->major == want->major && have->minor == want->minor;
}

// Nothing that can be asked for in these words may build.
std::optional<std::string> all_below_security_floor(std::string_view wanted) {
  auto newest = GoVersion::parse(wanted);
  if (!newest) return std::nullopt;
  if (!names_one_release(wanted, *newest)) newest->patch = std::numeric_limits<unsigned>::max();
  return below_security_floor(*newest);
}

}  // namespace

std::optional<GoVersion> GoVersion::parse(std::string_view text) {
  if (text.starts_with("go")) text.remove_prefix(2);
  GoVersion version;
  if (!take_number(text, version.major) || !text.starts_with('.')) return std::nullopt;
  text.remove_prefix(1);
  if (!take_number(text, version.minor)) return std::nullopt;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (!take_number(text, version.patch)) return std::nullopt;
  }
  if (text.starts_with("rc") || text.starts_with("beta")) {
    version.prerelease = text;
    std::string_view digits = text.substr(
        text.find_first_of("0123456789") == std::string_view::npos ? text.size() : text.find_first_of("0123456789"));
    unsigned ignored = 0;
    if (!take_number(digits, ignored) || !digits.empty()) return std::nullopt;
  } else if (!text.empty() && text[0] != '-') {  // a distribution's suffix follows a dash
    return std::nullopt;
  }
  return version;
}

std::strong_ordering GoVersion::operator<=>(const GoVersion& other) const {
  if (auto order = major <=> other.major; order != 0) return order;
  if (auto order = minor <=> other.minor; order != 0) return order;
  if (auto order = patch <=> other.patch; order != 0) return order;
  if (prerelease.empty() != other.prerelease.empty())
    return prerelease.empty() ? std::strong_ordering::greater : std::strong_ordering::less;
  return prerelease.compare(other.prerelease) <=> 0;
}

std::optional<std::string> below_security_floor(const GoVersion& version) {
  GoVersion floor{1, 27, 0, ""};
  if (version.major == 1 && version.minor == 26) floor = {1, 26, 6, ""};
  if (version.major == 1 && version.minor <= 25) floor = {1, 25, 13, ""};
  if (version >= floor) return std::nullopt;
  return fmt::format(
      "below the security floor: releases before 1.25.13, 1.26.6 and 1.27.0 have known holes by which a source tree "
      "runs code while it is built");
}

Result<Toolchain> inspect_goroot(const std::string& goroot) {
  Toolchain toolchain;
  toolchain.goroot = real_path(goroot);
  if (toolchain.goroot.empty()) return host_error(errno, fmt::format("no Go toolchain at {}", goroot));
  TRY(std::string text, read_file(toolchain.goroot + "/VERSION", Bytes{4096}));
  toolchain.version = text.substr(0, text.find_first_of(" \t\r\n"));
  auto version = GoVersion::parse(toolchain.version);
  if (!toolchain.version.starts_with("go") || !version)
    return host_error(fmt::format("{} is no release of Go: its VERSION says '{:.40}'", toolchain.goroot, text));
  if (auto reason = below_security_floor(*version))
    return host_error(fmt::format("{} at {} is {}", toolchain.version, toolchain.goroot, *reason));
  TRY_STATUS(check_owner(toolchain.goroot));
  for (const char* name : {"bin", "pkg", "pkg/tool", "pkg/tool/linux_amd64", "src"})
    TRY_STATUS(check_owner(toolchain.goroot + "/" + name));
  for (const char* name : kPrograms) {
    std::string program = toolchain.goroot + "/" + name;
    TRY_STATUS(check_owner(program));
    if (::access(program.c_str(), X_OK) != 0) return host_error(errno, fmt::format("cannot execute {}", program));
  }
  return toolchain;
}

Result<Toolchain> find_toolchain(const std::string& wanted, const std::string& state_directory) {
  // A place that was named is the only one looked at: a different toolchain than the one asked for would be a surprise.
  if (wanted.starts_with('/')) return inspect_goroot(wanted);
  if (!wanted.empty() && !GoVersion::parse(wanted))
    return input_error(
        fmt::format("'{}' is no Go version: write --go 1.26, --go 1.26.8 or --go /absolute/GOROOT", wanted));
  if (auto reason = all_below_security_floor(wanted))
    return input_error(fmt::format("cannot build with Go {}: it is {}", wanted, *reason));
  std::vector<Candidate> candidates;
  const char* named = std::getenv("SANDBOX_RUN_GOROOT");
  if (named && *named) {
    candidates.push_back({"SANDBOX_RUN_GOROOT", named});
  } else {
    if (std::string goroot = goroot_of_path(); !goroot.empty()) candidates.push_back({"PATH", goroot});
  }
  std::string seen;
  auto consider = [&](const Candidate& candidate) -> std::optional<Toolchain> {
    auto toolchain = inspect_goroot(candidate.goroot);
    if (toolchain && satisfies(*toolchain, wanted)) return std::move(*toolchain);
    seen += fmt::format("{}{}: {}", seen.empty() ? "" : "; ", candidate.where,
                        toolchain
                            ? fmt::format("{} at {} is not the version asked for", toolchain->version, candidate.goroot)
                            : toolchain.error().what);
    return std::nullopt;
  };
  for (const auto& candidate : candidates)
    if (auto toolchain = consider(candidate)) return std::move(*toolchain);
  if (!(named && *named) || !wanted.empty())
    for (const auto& candidate : installed(state_directory))
      if (auto toolchain = consider(candidate)) return std::move(*toolchain);
  return host_error(fmt::format("no Go toolchain{} to build with ({}). Run: sandbox-run toolchain install {}",
                                wanted.empty() ? "" : " " + wanted,
                                seen.empty() ? "none on PATH, in SANDBOX_RUN_GOROOT or installed" : seen,
                                wanted.empty() ? kSuggestedVersion : wanted));
}

Result<std::vector<LinkedDirectory>> linked_directories(const std::string& goroot, const std::string& root) {
  namespace fs = std::filesystem;
  std::vector<LinkedDirectory> linked;
  for (const char* below : {"", "/pkg"}) {
    std::error_code unlisted, error;
    for (fs::directory_iterator at(goroot + below, unlisted), end; !unlisted && at != end; at.increment(unlisted)) {
      const fs::directory_entry& entry = *at;
      if (!entry.is_symlink(error)) continue;
      std::string real = real_path(entry.path());
      if (real.empty() || real.starts_with(goroot + "/") || !fs::is_directory(real, error)) continue;
      TRY_STATUS(check_owner(real));
      fs::path link = fs::read_symlink(entry.path(), error);
      linked.push_back({real, (fs::path(root + below) / link).lexically_normal()});
    }
  }
  std::sort(linked.begin(), linked.end(), [](const auto& a, const auto& b) { return a.target < b.target; });
  return linked;
}

Result<std::string> identity(const Toolchain& toolchain) {
  std::string text = toolchain.version + "\n" + toolchain.goroot + "\n";
  auto add = [&](const char* name) -> Status {
    struct stat info {};
    std::string path = toolchain.goroot + "/" + name;
    if (::stat(path.c_str(), &info) != 0) return host_error(errno, "cannot examine " + path);
    text += fmt::format("{} {} {} {} {}.{} {}.{}\n", name, info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                        info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
    return {};
  };
  TRY_STATUS(add("VERSION"));
  TRY_STATUS(add("src"));
  for (const char* name : kPrograms) TRY_STATUS(add(name));
  return text;
}

}  // namespace sandbox_run::go_build
