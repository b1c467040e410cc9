// Store: the state directory. Content enters by rename after it was verified, is never writable by a build, and
// modules, artifacts and tools are re-hashed on use.
//
//   STATE/run/ID          one RunDirectory per living run
//   STATE/tmp             unnamed files only (O_TMPFILE)
//   STATE/modules, artifacts, std, toolchains, …: entries published by fill_once; cache.h sizes and clears them
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"

namespace sandbox_run::store {

// SANDBOX_RUN_STATE, else /var/lib/sandbox-run as root, else $XDG_CACHE_HOME/sandbox-run, else ~/.cache/sandbox-run.
// Creates it (0755) where it is absent.
// Fails with: Fault::input where the variable is not an absolute path; Fault::host where the directory cannot be made,
// or where another user owns it or may write to it: what is in there reaches compilers.
Result<std::string> state_directory();

// STATE/run/ID: a private place for one run, mode 0700, locked while its owner lives and removed with it.
class RunDirectory {
 public:
  // Fails with: Fault::self where `id` is empty, starts with a dot or holds a '/', or where such a run is there
  // already.
  static Result<RunDirectory> create(const std::string& state_directory, const std::string& id);
  // Removes those whose owner is gone; how many. One that cannot be removed does not keep the others from it; the first
  // failure is returned in the end.
  static Result<int> remove_orphans(const std::string& state_directory);
  RunDirectory(RunDirectory&&) noexcept;
  RunDirectory& operator=(RunDirectory&&) noexcept;
  ~RunDirectory();
  const std::string& path() const { return path_; }

 private:
  RunDirectory() = default;
  void remove();
  std::string path_;
  UniqueFd lock_;
};

enum class Durability {
  synced,    // on disk before it has its name: for what is trusted by its name after a power cut
  unsynced,  // for what is re-hashed, or otherwise proven whole, on every use
};

// Single flight between processes: runs `fill` (into a fresh empty temporary directory beside it, mode 0755) unless
// `path` already exists; the others wait. Published by rename; a killed filler leaves nothing the next one trips over.
// An existing entry is marked as used now (mtime), which is what evict goes by.
// `cancel_fd` ends the waiting for others, as lock().
Status fill_once(const std::string& path, const std::function<Status(const std::string& temporary)>& fill,
                 Durability durability = Durability::synced, int cancel_fd = -1);

// A shared hold on an existing entry: evict and clear leave it alone until the descriptor (of its directory) closes.
// Fails with: Fault::host, ENOENT where there is no such entry.
Result<UniqueFd> hold(const std::string& path);

// fill_once and hold in one: nothing can remove the entry in between.
Result<UniqueFd> fill_and_hold(const std::string& path, const std::function<Status(const std::string& temporary)>& fill,
                               Durability durability = Durability::synced, int cancel_fd = -1);

// An exclusive flock on PATH.lock until the descriptor closes. The file stays behind.
// Fails with: Fault::host, ECANCELED when `cancel_fd` becomes readable before it is had; nothing is read from it.
Result<UniqueFd> lock(const std::string& path, int cancel_fd = -1);

// Makes a tree that is about to be published read-only: directories 0555, files 0444, or 0555 where they were
// executable. Fails with: Fault::self on anything but directories and regular files.
Status make_read_only(const std::string& path);

// Removes least recently used entries (direct children of `directory`, by mtime) until their sizes sum to <= cap.
// Locks, temporary directories of fillers and held entries stay. An absent directory is empty.
Status evict(const std::string& directory, Bytes cap);

}  // namespace sandbox_run::store
