// Theory of operation. An entry is a directory (or file) that has its final name only when it is whole:
//   fill_once   takes PATH.lock, fills PATH.filling, renames it to PATH. Only the lock's holder touches PATH.filling,
//   so
//               one that is there when the lock is won belongs to a filler that died, and goes first.
//   lock files  are unlinked by their holder after publishing. A waiter that wins the lock of an unlinked file notices
//               (the name has another inode, or none) and starts over.
//   hold        is a shared flock on the entry itself, which a remover must turn into an exclusive one first.
#include "store/store.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/directory.h"
#include "base/files.h"
#include "base/output_file.h"
#include "base/path.h"
#include "store/entries.h"

namespace sandbox_run::store {

namespace {

Status flock_through_signals(int fd, int operation, const std::string& name) {
  while (::flock(fd, operation) != 0)
    if (errno != EINTR) return host_error(errno, "cannot lock " + name);
  return {};
}

// As flock(LOCK_EX), given up when `cancel_fd` becomes readable. The kernel waits for one or the other, not for both.
Status flock_unless_canceled(int fd, int cancel_fd, const std::string& name) {
  if (cancel_fd < 0) return flock_through_signals(fd, LOCK_EX, name);
  constexpr int kLookMs = 20;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return host_error(errno, "cannot lock " + name);
    pollfd entry{cancel_fd, POLLIN, 0};
    if (::poll(&entry, 1, kLookMs) > 0)
      return Error{Fault::host, ECANCELED, "canceled while another run was making " + name};
  }
  return {};
}

// The descriptor is still what `path` names (and not something that was renamed away or unlinked meanwhile).
bool is_named(int fd, const std::string& path) {
  struct stat open_file {
  }, named_file{};
  return ::fstat(fd, &open_file) == 0 && ::lstat(path.c_str(), &named_file) == 0 &&
         open_file.st_dev == named_file.st_dev && open_file.st_ino == named_file.st_ino;
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

// Least recently used is told by mtime; who may not set it (a read-only store) only loses precision there.
void mark_as_used(const std::string& path) { (void)::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW); }

Status publish(const std::string& filled, const std::string& path, Durability durability) {
  TRY(UniqueFd tree, open_path(filled, O_RDONLY | O_NOFOLLOW));
  // One syncfs for the whole tree: an fsync per file is a journal commit per file.
  if (durability == Durability::synced && ::syncfs(tree.get()) != 0)
    return host_error(errno, "cannot write " + filled + " to disk");
  if (::rename(filled.c_str(), path.c_str()) != 0) return host_error(errno, "cannot rename " + filled + " to " + path);
  if (durability == Durability::synced) {
    TRY(UniqueFd parent, open_path(parent_of(path), O_RDONLY | O_DIRECTORY));
    if (::fsync(parent.get()) != 0) return host_error(errno, "cannot write " + parent_of(path) + " to disk");
  }
  mark_as_used(path);
  return {};
}

// The lock is held and the entry is absent.
Status fill_locked(const std::string& path, const std::function<Status(const std::string&)>& fill,
                   Durability durability) {
  const std::string filling = path + kFillingSuffix;
  TRY_STATUS(remove_tree(AT_FDCWD, filling));
  if (::mkdir(filling.c_str(), 0755) != 0) return host_error(errno, "cannot create directory " + filling);
  Status filled = fill(filling);
  if (filled) filled = publish(filling, path, durability);
  if (!filled) (void)remove_tree(AT_FDCWD, filling);  // what went wrong first is what the caller must hear
  return filled;
}

}  // namespace

Result<std::string> state_directory() {
  auto variable = [](const char* name) {
    const char* value = ::getenv(name);
    return std::string(value ? value : "");
  };
  std::string path = variable("SANDBOX_RUN_STATE");
  if (!path.empty() && path[0] != '/')
    return input_error("SANDBOX_RUN_STATE is " + path + ": it must be an absolute path, such as /var/lib/sandbox-run");
  if (path.empty() && ::geteuid() == 0) path = "/var/lib/sandbox-run";
  // The XDG base directory specification has relative values ignored.
  if (path.empty() && variable("XDG_CACHE_HOME").starts_with('/')) path = variable("XDG_CACHE_HOME") + "/sandbox-run";
  if (path.empty() && variable("HOME").starts_with('/')) path = variable("HOME") + "/.cache/sandbox-run";
  if (path.empty())
    return host_error(
        "there is no place for state: neither HOME nor XDG_CACHE_HOME is set; set SANDBOX_RUN_STATE to a directory");
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  TRY_STATUS(make_directories(path, as_caller_says(0755) | 0700));
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return host_error(errno, "cannot look at the state directory " + path);
  if (info.st_uid != ::geteuid())
    return host_error("the state directory " + path +
                      " belongs to another user, who could put other compilers and modules there; run as " +
                      "that user, chown it, or set SANDBOX_RUN_STATE to a directory of your own");
  if ((info.st_mode & 0022) != 0)
    return host_error("the state directory " + path +
                      " can be written by other users, who could put other compilers and modules there; " +
                      "run 'chmod go-w " + path + "'");
  return path;
}

Result<RunDirectory> RunDirectory::create(const std::string& state_directory, const std::string& id) {
  if (id.empty() || id[0] == '.' || id.find('/') != std::string::npos)
    return self_error("'" + id + "' is no name for a run directory");
  TRY_STATUS(make_directories(state_directory + "/run", 0700));
  const std::string path = state_directory + "/run/" + id;
  // An orphan hunter may win the lock between our mkdir and our flock, and removes what then looks like an orphan.
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (::mkdir(path.c_str(), 0700) != 0) {
      if (errno == EEXIST) return self_error("cannot create the run directory " + path + ": there is one already");
      return host_error(errno, "cannot create the run directory " + path);
    }
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == ENOENT) continue;
    if (!fd) return host_error(errno, "cannot open the run directory " + path);
    TRY_STATUS(flock_through_signals(fd.get(), LOCK_EX, path));
    if (!is_named(fd.get(), path)) continue;
    RunDirectory run;
    run.path_ = path;
    run.lock_ = std::move(fd);
    return run;
  }
  return host_error("cannot create the run directory " + path + ": it was removed by others 100 times");
}

Result<int> RunDirectory::remove_orphans(const std::string& state_directory) {
  const std::string runs = state_directory + "/run";
  if (!exists(runs)) return 0;
  TRY(const UniqueFd parent, open_path(runs, O_PATH | O_DIRECTORY));
  int removed = 0;
  Status first_failure;
  TRY_STATUS(for_each_entry(parent.get(), runs, [&](const dirent& entry) -> Status {
    const std::string name = entry.d_name;
    UniqueFd fd(::openat(parent.get(), entry.d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};  // gone, or its owner lives
    Status status = remove_tree(parent.get(), name);
    if (status) ++removed;
    if (!status && first_failure)
      first_failure = host_error(status.error().sys_errno,
                                 "cannot remove " + runs + "/" + name + ", left by a run that was killed");
    return {};
  }));
  if (!first_failure) return first_failure.error();
  return removed;
}

RunDirectory::RunDirectory(RunDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::move(other.lock_)) {
  other.path_.clear();
}

RunDirectory& RunDirectory::operator=(RunDirectory&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::move(other.path_);
    other.path_.clear();
    lock_ = std::move(other.lock_);
  }
  return *this;
}

RunDirectory::~RunDirectory() { remove(); }

void RunDirectory::remove() {
  if (path_.empty()) return;
  (void)remove_tree(AT_FDCWD, path_);  // what stays is an orphan as soon as the lock closes; the next start takes it
  path_.clear();
  lock_.reset();
}

Result<UniqueFd> lock(const std::string& path, int cancel_fd) {
  const std::string file = path + kLockSuffix;
  for (;;) {
    TRY(UniqueFd fd, open_path(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    TRY_STATUS(flock_unless_canceled(fd.get(), cancel_fd, file));
    if (is_named(fd.get(), file)) return fd;
  }
}

Status fill_once(const std::string& path, const std::function<Status(const std::string& temporary)>& fill,
                 Durability durability, int cancel_fd) {
  if (exists(path)) {
    mark_as_used(path);
    return {};
  }
  TRY_STATUS(make_directories(parent_of(path), 0755));
  TRY(UniqueFd locked, lock(path, cancel_fd));
  Status filled;
  if (!exists(path)) filled = fill_locked(path, fill, durability);
  ::unlink((path + kLockSuffix).c_str());  // while it is ours: see lock()
  return filled;
}

Result<UniqueFd> hold(const std::string& path) {
  TRY(UniqueFd fd, open_path(path, O_RDONLY | O_NOFOLLOW));
  TRY_STATUS(flock_through_signals(fd.get(), LOCK_SH, path));
  if (!is_named(fd.get(), path)) return host_error(ENOENT, "cannot hold " + path);
  return fd;
}

Result<UniqueFd> fill_and_hold(const std::string& path, const std::function<Status(const std::string& temporary)>& fill,
                               Durability durability, int cancel_fd) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    TRY_STATUS(fill_once(path, fill, durability, cancel_fd));
    Result<UniqueFd> held = hold(path);
    if (held || held.error().sys_errno != ENOENT) return held;
  }
  return host_error("cannot hold " + path + ": it was removed by others 10 times; is the cap of the cache too small?");
}

Status make_read_only(const std::string& path) {
  TRY(UniqueFd fd, open_path(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return host_error(errno, "cannot look at " + path);
  if (S_ISREG(info.st_mode)) {
    if (::fchmod(fd.get(), (info.st_mode & 0111) != 0 ? 0555 : 0444) != 0)
      return host_error(errno, "cannot make " + path + " read-only");
    return {};
  }
  if (!S_ISDIR(info.st_mode)) return self_error(path + " is neither a file nor a directory: it cannot enter the store");
  TRY_STATUS(
      for_each_entry(fd.get(), path, [&](const dirent& entry) { return make_read_only(path + "/" + entry.d_name); }));
  if (::fchmod(fd.get(), 0555) != 0) return host_error(errno, "cannot make " + path + " read-only");
  return {};
}

Status evict(const std::string& directory, Bytes cap) {
  TRY_STATUS(remove_remains(directory));
  TRY(std::vector<Entry> entries, entries_of(directory));
  Bytes sum;
  for (const Entry& entry : entries) sum = sum + entry.bytes;
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used_nanoseconds < b.used_nanoseconds; });
  for (const Entry& entry : entries) {
    if (sum <= cap) break;
    TRY(bool removed, remove_entry(directory, entry.name));
    if (removed) sum.count -= entry.bytes.count;
  }
  return {};
}

}  // namespace sandbox_run::store
