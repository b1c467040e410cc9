// Toolchains of our own: Go releases below STATE/toolchains, fetched as modules and verified against pinned hashes.
#pragma once

#include <string>
#include <vector>

#include "base/narrator.h"
#include "base/result.h"
#include "fetch/modules.h"

namespace sandbox_run::fetch {

struct InstalledToolchain {
  std::string version;  // "go1.26.8"
  std::string goroot;   // absolute
};

struct PinnedToolchain {
  std::string version;  // "go1.26.8"
  std::string h1;       // of the zip of its toolchain module
};

// fetch/toolchains.txt, as built in.
std::vector<PinnedToolchain> pinned_toolchains();

// `version`: "1.26.8" or "go1.26.8", "1.26" for the newest pinned 1.26.x, "latest" for the newest pinned. Answers the
// GOROOT, at once where it is installed already.
// Fails with: Fault::input where it is not pinned (naming those that are) or the zip does not match; Fault::host
// otherwise.
Result<std::string> install_toolchain(const std::string& version, const std::string& state_directory,
                                      Narrator& narrator);
// The same with everything that tests replace.
Result<std::string> install_toolchain(const PinnedToolchain& toolchain, Modules& modules, Narrator& narrator);

// Newest first.
Result<std::vector<InstalledToolchain>> list_toolchains(const std::string& state_directory);

// Fails with: Fault::input where it is not installed, Fault::host where a build is using it.
Status remove_toolchain(const std::string& version, const std::string& state_directory);

}  // namespace sandbox_run::fetch
