// Cache: what `sandbox-run cache list|clear` shows and empties: the kinds of content in the state directory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace sandbox_run::store {

struct CacheUsage {
  std::string kind;  // the directory below STATE: "modules", "artifacts", "std", "toolchains", …
  std::uint64_t entries = 0;
  Bytes bytes;  // disk space (allocated blocks)
};

// Every kind present, sorted by name; run/ and tmp/ belong to living runs and are no cache.
Result<std::vector<CacheUsage>> usage(const std::string& state_directory);

// Removes all entries of `kind`, or of every kind but toolchains where it is "" (those take a download to get back and
// have `toolchain remove`). Held entries stay. Answers what was removed.
// Fails with: Fault::input where there is no such kind, naming those there are.
Result<CacheUsage> clear(const std::string& state_directory, const std::string& kind);

}  // namespace sandbox_run::store
