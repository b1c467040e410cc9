// Entries: the direct children of a store directory, with what evict and the cache list need to know of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace sandbox_run::store {

struct Entry {
  std::string name;
  Bytes bytes;                    // disk space (allocated blocks) of the whole tree
  std::int64_t used_nanoseconds;  // mtime, since the epoch
};

// Published entries only: no locks, no temporaries of fillers. An absent directory has none.
Result<std::vector<Entry>> entries_of(const std::string& directory);

// Their names alone, without measuring them, sorted.
Result<std::vector<std::string>> entry_names(const std::string& directory);

// Takes an entry out of sight by a rename and removes it. false: somebody holds it and it stays.
Result<bool> remove_entry(const std::string& directory, const std::string& name);

// Finishes removals that a kill interrupted.
Status remove_remains(const std::string& directory);

// Suffixes of names beside an entry that are not entries.
inline constexpr char kLockSuffix[] = ".lock";
inline constexpr char kFillingSuffix[] = ".filling";
inline constexpr char kRemovedSuffix[] = ".removed";

}  // namespace sandbox_run::store
