// Toolchain: a Go installation that may build submissions: found, versioned, not below the security floor.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sandbox_run::go_build {

struct Toolchain {
  std::string goroot;   // absolute, real path
  std::string version;  // "go1.26.8", as GOROOT/VERSION has it
  std::string number() const { return version.substr(2); }
};

// A Go release's number. `prerelease` ("rc1") sorts before the release.
struct GoVersion {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned patch = 0;
  std::string prerelease;

  // "go1.26.8", "1.26.8", "go1.27rc1", "go1.26.8-distribution"; nothing for anything else ("devel go1.28-abc").
  static std::optional<GoVersion> parse(std::string_view text);
  std::strong_ordering operator<=>(const GoVersion& other) const;
  bool operator==(const GoVersion&) const = default;
};

// Why a version may not build hostile source; nothing where it may. The floor is 1.25.13, 1.26.6 or 1.27.0: below it
// known holes let a source tree run code while it is built (CVE-2025-61731, CVE-2025-68119, CVE-2026-27140 and others).
std::optional<std::string> below_security_floor(const GoVersion& version);

// `wanted`: "" (the first good one of SANDBOX_RUN_GOROOT, PATH's go, the newest under STATE/toolchains), "1.26",
// "1.26.8", or an absolute GOROOT. Fails with: Fault::host, naming the command that installs one, where none is good
// enough.
Result<Toolchain> find_toolchain(const std::string& wanted, const std::string& state_directory);

// The GOROOT as one toolchain: its VERSION, its programs and who may change them. Fails with: Fault::host and the
// reason why it may not build submissions.
Result<Toolchain> inspect_goroot(const std::string& goroot);

// A directory that a link in GOROOT leads out to, as Debian's packages have src: where it is, and where the link leads
// when GOROOT stands at `root`.
struct LinkedDirectory {
  std::string source;
  std::string target;
};

// Fails with: Fault::host where one of them may be changed by others.
Result<std::vector<LinkedDirectory>> linked_directories(const std::string& goroot, const std::string& root);

// What changes when the files of a toolchain do: version, path, and device, inode, size and times of its programs. Part
// of every cache key; reads no file, so that a cached answer stays cheap.
Result<std::string> identity(const Toolchain& toolchain);

}  // namespace sandbox_run::go_build
