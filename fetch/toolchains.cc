#include "fetch/toolchains.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/files.h"
#include "store/entries.h"
#include "store/store.h"
#include "sum-verify/module_zip.h"
#include "sum-verify/semver.h"

namespace sandbox_run::fetch {

namespace {

namespace fs = std::filesystem;
using sum_verify::ModuleVersion;

constexpr char kPinned[] =
#include "pinned_toolchains.inc"
    ;

// "go1.26.8" → "v1.26.8", for comparing.
std::string as_semver(const std::string& version) { return "v" + version.substr(2); }

bool newer(const std::string& a, const std::string& b) {
  return sum_verify::compare_semver(as_semver(a), as_semver(b)) > 0;
}

std::string with_go(const std::string& version) { return version.starts_with("go") ? version : "go" + version; }

Result<PinnedToolchain> choose(const std::string& asked) {
  std::vector<PinnedToolchain> pinned = pinned_toolchains();
  std::sort(pinned.begin(), pinned.end(), [](const auto& a, const auto& b) { return newer(a.version, b.version); });
  const std::string wanted = with_go(asked);
  for (const PinnedToolchain& toolchain : pinned)
    if (asked == "latest" || toolchain.version == wanted || toolchain.version.starts_with(wanted + "."))
      return toolchain;
  std::string known;
  for (const PinnedToolchain& toolchain : pinned) known += (known.empty() ? "" : ", ") + toolchain.version;
  return input_error(
      fmt::format("cannot install Go {}: its hash is not among those built in ({}); install one of those, "
                  "or put a Go of your own on PATH or in SANDBOX_RUN_GOROOT",
                  asked, known));
}

// Files below a directory of tools: module zips carry no modes.
Status set_exec_bits(const std::string& directory) {
  std::error_code error, gone;
  for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    if (entry->is_regular_file(gone) && ::chmod(entry->path().c_str(), 0755) != 0)
      return host_error(errno, "cannot make " + entry->path().string() + " executable");
  if (error) return host_error(error.value(), "cannot list " + directory);
  return {};
}

// A module zip cannot hold go.mod files below its root, so the release's are in it as _go.mod.
// Source: cmd/go/internal/toolchain/select.go, Exec.
Status restore_go_mod_files(const std::string& root) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(root, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().filename() == "_go.mod") found.push_back(entry->path());
  if (error) return host_error(error.value(), "cannot list " + root);
  for (const fs::path& path : found) {
    fs::copy_file(path, path.parent_path() / "go.mod", fs::copy_options::none, error);
    if (error) return host_error(error.value(), "cannot copy " + path.string() + " to go.mod");
  }
  return {};
}

Status fill_goroot(const std::string& temporary, const PinnedToolchain& toolchain, Modules& modules) {
  const ModuleVersion module{"golang.org/toolchain", "v0.0.1-" + toolchain.version + ".linux-amd64"};
  const std::string attempt = "cannot install " + toolchain.version + ": ";
  TRY(std::optional<UniqueFd> zip, modules.zip(module));
  if (!zip) return host_error(attempt + modules.how_to_get(module));
  modules.narrator().note("verifying and unpacking " + toolchain.version);
  modules.narrator().progress("unpack " + toolchain.version, 0, 0);
  TRY(UniqueFd tree, open_path(temporary, O_RDONLY | O_DIRECTORY));
  // It hashes what it writes, and fails where that is not what is pinned: then nothing of it gets a name.
  if (Status extracted = sum_verify::extract_module_zip(zip->get(), module, toolchain.h1, tree.get()); !extracted)
    return Error{extracted.error().fault, extracted.error().sys_errno, attempt + extracted.error().what};
  TRY_STATUS(set_exec_bits(temporary + "/bin"));
  TRY_STATUS(set_exec_bits(temporary + "/pkg/tool"));
  TRY_STATUS(restore_go_mod_files(temporary));
  return store::make_read_only(temporary);
}

}  // namespace

std::vector<PinnedToolchain> pinned_toolchains() {
  std::vector<PinnedToolchain> pinned;
  const std::string_view text = kPinned;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line(text.substr(begin, end - begin));
    begin = end + 1;
    const std::size_t space = line.find(' '), hash = line.find("h1:");
    if (line.starts_with("go") && space != std::string::npos && hash != std::string::npos)
      pinned.push_back({line.substr(0, space), line.substr(hash)});
  }
  return pinned;
}

Result<std::string> install_toolchain(const PinnedToolchain& toolchain, Modules& modules, Narrator& narrator) {
  const std::string path = modules.options().state_directory + "/toolchains/" + toolchain.version;
  narrator.note("installing " + toolchain.version + " as " + path);
  TRY_STATUS(
      store::fill_once(path, [&](const std::string& temporary) { return fill_goroot(temporary, toolchain, modules); }));
  return path;
}

Result<std::string> install_toolchain(const std::string& version, const std::string& state_directory,
                                      Narrator& narrator) {
  TRY(PinnedToolchain toolchain, choose(version));
  Modules::Options options;
  options.state_directory = state_directory;
  options.may_fetch = true;
  TRY(std::unique_ptr<Modules> modules, Modules::open(options, narrator));
  return install_toolchain(toolchain, *modules, narrator);
}

Result<std::vector<InstalledToolchain>> list_toolchains(const std::string& state_directory) {
  const std::string directory = state_directory + "/toolchains";
  TRY(std::vector<std::string> names, store::entry_names(directory));
  std::vector<InstalledToolchain> installed;
  for (const std::string& name : names)
    if (name.starts_with("go1.")) installed.push_back({name, directory + "/" + name});
  std::sort(installed.begin(), installed.end(),
            [](const auto& a, const auto& b) { return newer(a.version, b.version); });
  return installed;
}

Status remove_toolchain(const std::string& version, const std::string& state_directory) {
  const std::string name = with_go(version);
  TRY(std::vector<InstalledToolchain> installed, list_toolchains(state_directory));
  if (std::none_of(installed.begin(), installed.end(), [&](const auto& entry) { return entry.version == name; })) {
    std::string known;
    for (const auto& entry : installed) known += (known.empty() ? "" : ", ") + entry.version;
    return input_error("cannot remove " + name + ": it is not installed in " + state_directory +
                       "/toolchains (there is " + (known.empty() ? "none" : known) + ")");
  }
  TRY(bool removed, store::remove_entry(state_directory + "/toolchains", name));
  if (!removed) return host_error("cannot remove " + name + ": a build is using it; try again when it is done");
  return {};
}

}  // namespace sandbox_run::fetch
