// ChildProcess: a program that this process runs for a while, and that never outlives the handle: the destructor kills
// it with its process group and reaps it. For our helper programs and for the go command; what is submitted runs in a
// launch.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sandbox_run {

struct ChildCommand {
  std::string program;                   // looked for in PATH where it has no slash; argv[0] as it stands here
  std::vector<std::string> arguments;    // from argv[1]
  std::vector<std::string> environment;  // "K=V", all of it
  int input = -1, output = -1;           // become its 0 and 1; borrowed; -1: /dev/null, which 2 always is
};

class ChildProcess {
 public:
  // It starts in / with three descriptors, no signal blocked or ignored, and in a process group of its own: an
  // interrupt at the terminal is for this process, which then ends it.
  // REQUIRES: `output` is not 0.
  // Fails with: Fault::host and the errno of what failed, exec included; `purpose` is what the message calls it.
  static Result<ChildProcess> start(const ChildCommand& command, const std::string& purpose);
  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~ChildProcess() { end(); }

  // The wait status of waitpid(2), once it has ended. REQUIRES: neither was called before.
  int wait();
  int end();  // by SIGKILL to its group, if it has not been waited for yet

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
};

// Some bytes, as soon as there are any; 0 at the end of file. `name` is whose they are: "the downloader".
// Fails with: Fault::host, ETIMEDOUT where nothing comes before `deadline`.
Result<std::size_t> read_before(std::chrono::steady_clock::time_point deadline, int fd, char* buffer, std::size_t size,
                                const std::string& name);

}  // namespace sandbox_run
