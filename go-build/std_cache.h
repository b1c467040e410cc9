// StdCache: the standard library compiled once per toolchain by our own `go build std` from the trusted GOROOT;
// afterwards read-only, and the lower layer of every build's GOCACHE. Nothing of a submission is ever written to it.
#pragma once

#include <set>
#include <string>

#include "base/narrator.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "go-build/toolchain.h"
#include "launch/launch.h"

namespace sandbox_run::go_build {

struct StdCache {
  std::string path;           // GOCACHE's lower layer
  std::string packages_path;  // a file of "import/path=file" lines, the file relative to `path`
  UniqueFd held;              // keeps eviction away while a build uses it
};

// Import paths of what `packages_path` lists: all of the standard library but unsafe, which has no compiled form.
// Fails with: what reading the file fails with.
inline constexpr Bytes kMostPackagesBytes{1u << 20};
using PackageNames = std::set<std::string, std::less<>>;
Result<PackageNames> std_package_names(const StdCache& library);

// A filled GOCACHE goes to where builds find it: owned by us and written to by nobody.
Status move_cache(const std::string& filled, const std::string& to);

// Finds it or fills it, one process at a time: about 20 s and 260 MB, told to `narrator`.
// Fails with: Fault::host and the go command's words where it cannot be filled; ENOSPC where the disk is why;
// ECANCELED where `cancel_fd` ended the filling.
Result<StdCache> std_cache(launch::Host& host, const Toolchain& toolchain, const std::string& state_directory,
                           Narrator& narrator, int cancel_fd = -1);

}  // namespace sandbox_run::go_build
