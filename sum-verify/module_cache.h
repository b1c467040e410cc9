// Where a module's files are below a GOMODCACHE, and below a module proxy's URL.
// Source: `go help goproxy`, cmd/go/internal/modfetch/cache.go.
#pragma once

#include <string>

#include "base/result.h"
#include "sum-verify/verified_tree.h"

namespace sandbox_run::sum_verify {

enum class CacheFile { info, mod, zip, ziphash, lock };

// "github.com/!azure/x/@v/v1.0.0.zip": relative to the proxy's URL, and to GOMODCACHE/cache/download.
// Fails with: Fault::input where path or version is malformed, so the answer never holds "..".
Result<std::string> proxy_path(const ModuleVersion& module, CacheFile file);

// "cache/download/…": relative to GOMODCACHE. Fails with: as proxy_path.
Result<std::string> cache_path(const ModuleVersion& module, CacheFile file);

// "github.com/!azure/x@v1.0.0": the extracted tree, relative to GOMODCACHE. Fails with: as proxy_path.
Result<std::string> cache_tree_path(const ModuleVersion& module);

}  // namespace sandbox_run::sum_verify
