#include "ingest/executable.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"

namespace sandbox_run::ingest {
namespace {

bool is_same_state(const struct stat& before, const struct stat& after) {
  return before.st_size == after.st_size && before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
         before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_ctim.tv_sec == after.st_ctim.tv_sec &&
         before.st_ctim.tv_nsec == after.st_ctim.tv_nsec;
}

}  // namespace

Result<ExecutableFile> open_executable(const std::string& path, const Limits& limits) {
  auto opened = open_path(path, O_RDONLY | O_NONBLOCK);  // O_NONBLOCK: a FIFO must not hold us up
  if (!opened) return Error{Fault::input, opened.error().sys_errno, opened.error().what};
  struct stat before {};
  if (::fstat(opened->get(), &before) != 0) return host_error(errno, "cannot read " + path);
  if (!S_ISREG(before.st_mode))
    return input_error(path + " is not a regular file; 'exec' runs a built program, 'run' takes source");
  const auto size = static_cast<std::uint64_t>(before.st_size);
  if (size == 0) return input_error(path + " is empty; 'exec' runs a built program");
  if (size > limits.bytes.count)
    return input_error(fmt::format("{} has {}, more than {}; raise with --max-bytes", path, format_bytes(Bytes{size}),
                                   format_bytes(limits.bytes)));
  return ExecutableFile{path, std::move(*opened), before};
}

Result<Executable> copy_executable(const ExecutableFile& executable) {
  const std::string& path = executable.path;
  const auto size = static_cast<std::uint64_t>(executable.opened.st_size);
  TRY(UniqueFd memory, executable_memfd(path));
  for (std::uint64_t left = size; left > 0;) {
    ssize_t sent = ::sendfile(memory.get(), executable.file.get(), nullptr, left);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return host_error(errno, "cannot copy " + path + " into memory");
    if (sent == 0) return input_error(path + " became shorter while it was read; try again when nothing writes to it");
    left -= static_cast<std::uint64_t>(sent);
  }
  struct stat after {};
  if (::fstat(executable.file.get(), &after) != 0 || !is_same_state(executable.opened, after))
    return input_error(path + " changed while it was read; try again when nothing writes to it");
  TRY_STATUS(seal(memory.get(), path));
  return Executable{std::move(memory), Bytes{size}};
}

}  // namespace sandbox_run::ingest
