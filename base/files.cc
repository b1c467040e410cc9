#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/directory.h"

// Newer than Debian 12's headers.
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // Linux 6.3
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U  // Linux 6.3
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020  // Linux 6.3
#endif

namespace sandbox_run {

const std::uint64_t kResolveStrict = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

Result<UniqueFd> open_beneath(int dir_fd, const std::string& path, int flags, std::uint64_t resolve, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags)) | O_CLOEXEC;
  how.mode = mode;
  how.resolve = resolve;
  // openat2 answers EAGAIN when a rename raced with a ".." check; trying again is what its man page asks for.
  for (int attempt = 0;; ++attempt) {
    long fd = ::syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno == EINTR || (errno == EAGAIN && attempt < 100)) continue;
    return host_error(errno, "cannot open " + path);
  }
}

Result<UniqueFd> open_path(const std::string& path, int flags, mode_t mode) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return host_error(errno, "cannot open " + path);
  return UniqueFd(fd);
}

Result<std::string> read_to_end(int fd, Bytes limit, const std::string& name) {
  std::string content;
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
    content.reserve(std::min<std::uint64_t>(static_cast<std::uint64_t>(info.st_size), limit.count) + 1);
  char buffer[65536];
  for (;;) {
    ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return host_error(errno, "cannot read " + name);
    if (got == 0) return content;
    if (content.size() + static_cast<std::size_t>(got) > limit.count)
      return host_error(EFBIG, fmt::format("cannot read {}: it is larger than {}", name, format_bytes(limit)));
    content.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<std::string> read_file(const std::string& path, Bytes limit) {
  TRY(UniqueFd fd, open_path(path, O_RDONLY));
  return read_to_end(fd.get(), limit, path);
}

Status write_all(int fd, std::string_view data, const std::string& name) {
  while (!data.empty()) {
    ssize_t put = ::write(fd, data.data(), data.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return host_error(errno, "cannot write " + name);
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Status replace_file(const std::string& path, std::string_view data, mode_t mode) {
  // A fresh file of a name that nobody can guess: in a directory that others may write to, it is nobody else's.
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != sizeof random)
    return host_error(errno, "cannot name a file beside " + path);
  const std::string temporary = fmt::format("{}.tmp.{:016x}", path, random);
  TRY(UniqueFd fd, open_path(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
  Status written = write_all(fd.get(), data, temporary);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0)
    written = host_error(errno, "cannot rename " + temporary + " to " + path);
  if (!written) ::unlink(temporary.c_str());
  return written;
}

Status make_directories(const std::string& path, mode_t mode) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    std::string prefix = path.substr(0, slash);
    if (::mkdir(prefix.c_str(), mode) != 0 && errno != EEXIST) {
      struct stat info {};
      int error = errno;  // a read-only or foreign parent that exists is no obstacle
      if (::stat(prefix.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
        return host_error(error, "cannot create directory " + prefix);
    }
    if (slash == std::string::npos) break;
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return host_error(errno, "cannot create directory " + path);
  if (!S_ISDIR(info.st_mode)) return host_error(ENOTDIR, "cannot create directory " + path);
  return {};
}

Result<Bytes> free_space(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return host_error(errno, "cannot ask how much room there is at " + path);
  // Some file systems do not count inodes and answer 0 for all of them (statvfs(3), btrfs).
  if (info.f_files != 0 && info.f_favail == 0) return Bytes{0};
  return Bytes{static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize};
}

bool is_out_of_space(int sys_errno) { return sys_errno == ENOSPC || sys_errno == EDQUOT; }

Status remove_tree(int dir_fd, const std::string& name) {
  if (::unlinkat(dir_fd, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return host_error(errno, "cannot remove " + name);
  // Nothing beyond a mount point is ours to remove (a bind mount left behind shows other people's files): EXDEV there.
  constexpr std::uint64_t kSameMount = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  const std::uint64_t resolve = name[0] == '/' ? RESOLVE_NO_MAGICLINKS : kSameMount;
  Result<UniqueFd> opened = open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve);
  if (!opened && opened.error().sys_errno == EACCES && ::fchmodat(dir_fd, name.c_str(), 0700, 0) == 0)
    opened = open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve);
  if (!opened && opened.error().sys_errno == ENOENT) return {};  // another one removes it too
  if (!opened) return host_error(opened.error().sys_errno, "cannot open " + name + " to remove it");
  UniqueFd fd = std::move(*opened);
  // Without root's override a read-only directory of ours (a published tree) must be writable to be emptied.
  if (::geteuid() != 0) (void)::fchmod(fd.get(), 0700);
  TRY_STATUS(for_each_entry(fd.get(), name, [&](const dirent& entry) { return remove_tree(fd.get(), entry.d_name); }));
  if (::unlinkat(dir_fd, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    return host_error(errno, "cannot remove " + name);
  return {};
}

namespace {

Result<UniqueFd> memfd(const std::string& name, unsigned exec_flag) {
  int fd = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | exec_flag);
  if (fd < 0 && errno == EINVAL)
    fd = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);  // before Linux 6.3
  if (fd < 0) return host_error(errno, "cannot create a memory file for " + name);
  return UniqueFd(fd);
}

// A page that the kernel holds for a moment, as it does to move it where memory is short, makes sealing EBUSY after a
// wait of 150 ms. Source: mm/memfd.c, memfd_wait_for_pins.
constexpr int kSealAttempts = 20;

// memfd_create takes 249 bytes of name at most, and only shows it in /proc.
std::string short_name(const std::string& name) {
  return name.substr(name.size() - std::min<std::size_t>(name.size(), 200));
}

}  // namespace

Result<UniqueFd> executable_memfd(const std::string& name) { return memfd(short_name(name), MFD_EXEC); }

Status seal(int memfd, const std::string& name) {
  const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  for (int attempt = 1;; ++attempt) {
    if (::fcntl(memfd, F_ADD_SEALS, seals | F_SEAL_EXEC) == 0) return {};
    if (errno == EINVAL && ::fcntl(memfd, F_ADD_SEALS, seals) == 0) return {};
    if (errno != EBUSY || attempt == kSealAttempts) return host_error(errno, "cannot seal the memory file for " + name);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Result<UniqueFd> sealed_memfd(const std::string& name, std::string_view content, bool executable) {
  TRY(UniqueFd file, memfd(short_name(name), executable ? MFD_EXEC : MFD_NOEXEC_SEAL));
  TRY_STATUS(write_all(file.get(), content, name));
  TRY_STATUS(seal(file.get(), name));
  return file;
}

}  // namespace sandbox_run
