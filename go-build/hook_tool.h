// HookTool: the rewriter and the hook runtime's archive for one toolchain, made from our own Go sources inside a build
// sandbox, and kept.
#pragma once

#include <string>

#include "base/narrator.h"
#include "base/result.h"
#include "base/sha256.h"
#include "base/unique_fd.h"
#include "go-build/std_cache.h"
#include "go-build/toolchain.h"
#include "launch/launch.h"

namespace sandbox_run::go_build {

struct HookTool {
  std::string rewriter;  // host path of the executable: `go build -toolexec`
  std::string runtime;   // host path of the archive of internal/sandboxhook
  Sha256Digest digest;   // of both
  UniqueFd held;         // keeps eviction away while a build uses it
};

// Changes with the sources that the tool is made from: for keys of what was built with it.
Sha256Digest hook_sources_digest();

// Finds it or builds it, one process at a time; a few seconds. Both files are hashed again on every use.
// Fails with: Fault::host and the words of the go command or of the rewriter (a toolchain it does not know);
// ECANCELED where `cancel_fd` ended the building.
Result<HookTool> hook_tool(launch::Host& host, const Toolchain& toolchain, const StdCache& std_library,
                           const std::string& state_directory, Narrator& narrator, int cancel_fd = -1);

}  // namespace sandbox_run::go_build
