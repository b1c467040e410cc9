// Whole-file reads and writes by descriptor, with the bounds and errors every room needs.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "base/units.h"

namespace sandbox_run {

// openat2(2). `resolve` takes RESOLVE_*; O_CLOEXEC is always added. Fails with: Fault::host and openat2's errno; the
// message names `path`.
Result<UniqueFd> open_beneath(int dir_fd, const std::string& path, int flags, std::uint64_t resolve, mode_t mode = 0);

// RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS: the way everything submitted is opened.
extern const std::uint64_t kResolveStrict;

// open(2) with O_CLOEXEC for paths that are ours or the user's own word.
Result<UniqueFd> open_path(const std::string& path, int flags, mode_t mode = 0);

// Reads to end of file. Fails with: EFBIG when there is more than `limit`.
Result<std::string> read_to_end(int fd, Bytes limit, const std::string& name);
Result<std::string> read_file(const std::string& path, Bytes limit);

// Writes all of it, through EINTR and short writes.
Status write_all(int fd, std::string_view data, const std::string& name);

// Writes beside `path` and renames over it, so a reader sees the old content or the new, never a part.
Status replace_file(const std::string& path, std::string_view data, mode_t mode = 0644);

// mkdir -p. Existing directories keep their mode.
Status make_directories(const std::string& path, mode_t mode = 0755);

// What the file system of `path` has left for this process; 0 where it is out of inodes, however many bytes are free.
Result<Bytes> free_space(const std::string& path);

// ENOSPC, EDQUOT: the host's disk is what failed, whatever was being done.
bool is_out_of_space(int sys_errno);

// Removes what is at dir_fd/name, a file or a tree of our own, without following symbolic links. Absent is success.
Status remove_tree(int dir_fd, const std::string& name);

// An empty anonymous file that may be executed once it is sealed; and the sealing of such a file (as below).
Result<UniqueFd> executable_memfd(const std::string& name);
Status seal(int memfd, const std::string& name);

// An anonymous file sealed against every change (F_SEAL_WRITE, GROW, SHRINK, SEAL; EXEC where the kernel knows it).
// `executable` asks for MFD_EXEC. name is for /proc only.
Result<UniqueFd> sealed_memfd(const std::string& name, std::string_view content, bool executable);

}  // namespace sandbox_run
