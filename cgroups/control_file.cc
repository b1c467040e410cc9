#include "cgroups/control_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>

namespace sandbox_run::cgroups {
namespace {

constexpr std::size_t kLargestFile = 16 << 10;  // the longest that is read, cpu.stat, is under 1 KiB

// One pread: the kernel builds these files whole, so a short read is the end.
Result<std::string_view> read_start(int fd, std::array<char, kLargestFile>& buffer, const std::string& path) {
  ssize_t got;
  do {
    got = ::pread(fd, buffer.data(), buffer.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return cgroup_error(errno, "read " + path);
  return std::string_view(buffer.data(), static_cast<std::size_t>(got));
}

Result<std::uint64_t> parse_number(std::string_view text, const std::string& name) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty())
    return host_error("cgroup: " + name + " holds '" + std::string(text.substr(0, 64)) + "' where a number belongs");
  return value;
}

}  // namespace

std::string remedy(int sys_errno) {
  switch (sys_errno) {
    case EROFS:
      return "In a container, mount cgroups read-write (docker run --privileged --cgroupns=private …); "
             "'sandbox-run doctor' checks it";
    case EACCES:
    case EPERM:
      return "Run as root, or in a delegated group (systemd-run --user --scope -p Delegate=yes sandbox-run …), or name "
             "one that you may write to in SANDBOX_RUN_CGROUP; 'sandbox-run doctor' checks it";
    case EBUSY:
      return "Processes stand in the group itself, which cgroup v2 forbids for a group with limited children; start in "
             "a group of your own (systemd-run --scope -p Delegate=yes sandbox-run …), or name an empty one in "
             "SANDBOX_RUN_CGROUP";
    case EAGAIN:
    case ENOSPC:
      return "The host's limit on groups is reached (cgroup.max.descendants, or memory); "
             "find groups left over with 'find /sys/fs/cgroup -path \"*sandbox-run*\" -type d'";
    case EMFILE:
    case ENFILE:
      return "Raise the limit on open files ('ulimit -n')";
    default:
      return "'sandbox-run doctor' checks what the host gives";
  }
}

Error cgroup_error(int sys_errno, const std::string& attempt) {
  Error error = host_error(sys_errno, "cgroup: cannot " + attempt);
  error.what += ". " + remedy(sys_errno);
  return error;
}

Result<ControlFile> ControlFile::open_if_present(int directory, const std::string& directory_path, const char* name,
                                                 int flags) {
  ControlFile file;
  file.path_ = directory_path + "/" + name;
  file.fd_.reset(::openat(directory, name, flags | O_CLOEXEC));
  if (!file.fd_ && errno != ENOENT) return cgroup_error(errno, "open " + file.path_);
  return file;
}

Result<ControlFile> ControlFile::open(int directory, const std::string& directory_path, const char* name, int flags) {
  TRY(ControlFile file, open_if_present(directory, directory_path, name, flags));
  if (!file) return cgroup_error(ENOENT, "open " + file.path_);
  return file;
}

Result<std::uint64_t> ControlFile::number() const {
  std::array<char, kLargestFile> buffer;
  TRY(const std::string_view text, read_start(fd_.get(), buffer, path_));
  return parse_number(text, path_);
}

Result<std::uint64_t> ControlFile::value_of(std::string_view key) const {
  std::array<char, kLargestFile> buffer;
  TRY(const std::string_view text, read_start(fd_.get(), buffer, path_));
  return find_key(text, key, path_);
}

Result<std::string> ControlFile::text() const {
  std::array<char, kLargestFile> buffer;
  TRY(std::string_view text, read_start(fd_.get(), buffer, path_));
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return std::string(text);
}

Status ControlFile::write(std::string_view value) const {
  ssize_t put;
  do {
    put = ::pwrite(fd_.get(), value.data(), value.size(), 0);
  } while (put < 0 && errno == EINTR);
  if (put < 0) return cgroup_error(errno, "write " + std::string(value) + " to " + path_);
  return {};
}

Status write_control(int directory, const std::string& directory_path, const char* name, std::string_view value) {
  TRY(const ControlFile file, ControlFile::open(directory, directory_path, name, O_WRONLY));
  return file.write(value);
}

Status write_control_if_present(int directory, const std::string& directory_path, const char* name,
                                std::string_view value) {
  TRY(const ControlFile file, ControlFile::open_if_present(directory, directory_path, name, O_WRONLY));
  if (!file) return {};
  return file.write(value);
}

Result<std::uint64_t> find_key(std::string_view text, std::string_view key, const std::string& name) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
      return parse_number(line.substr(key.size() + 1), name + " " + std::string(key));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return host_error("cgroup: " + name + " has no line '" + std::string(key) + "'; this kernel does not count it");
}

}  // namespace sandbox_run::cgroups
