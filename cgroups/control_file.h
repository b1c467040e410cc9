// ControlFile: one open file of a group (memory.max, cpu.stat, …), read from its start each time. Small and cheap: a
// read is one pread(2) into the stack.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace sandbox_run::cgroups {

class ControlFile {
 public:
  ControlFile() = default;
  // `directory_path` is for messages only. Fails with: Fault::host, naming the file, the reason and the remedy.
  static Result<ControlFile> open(int directory, const std::string& directory_path, const char* name, int flags);
  // The same for a file that this kernel may not have: an empty ControlFile then.
  static Result<ControlFile> open_if_present(int directory, const std::string& directory_path, const char* name,
                                             int flags);

  explicit operator bool() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

  Result<std::uint64_t> number() const;                        // the whole file is one decimal number
  Result<std::uint64_t> value_of(std::string_view key) const;  // the line "key N"
  Result<std::string> text() const;                            // at most 16 KiB, trailing newline taken off
  Status write(std::string_view value) const;

 private:
  UniqueFd fd_;
  std::string path_;
};

// Opens, writes and closes: limits are set once.
Status write_control(int directory, const std::string& directory_path, const char* name, std::string_view value);
Status write_control_if_present(int directory, const std::string& directory_path, const char* name,
                                std::string_view value);

// "key N" lines, as memory.events and cpu.stat have them (Documentation/admin-guide/cgroup-v2.rst,
// "flat keyed"). Fails with: Fault::host when the key is absent or its value no decimal number.
Result<std::uint64_t> find_key(std::string_view text, std::string_view key, const std::string& name);

// What to do about `sys_errno` from a cgroup file system; one sentence.
std::string remedy(int sys_errno);
// "cgroup: cannot ATTEMPT: reason. Remedy"
Error cgroup_error(int sys_errno, const std::string& attempt);

}  // namespace sandbox_run::cgroups
