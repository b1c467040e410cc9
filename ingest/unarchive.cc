#include "ingest/unarchive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <vector>

#include "base/files.h"
#include "base/unique_fd.h"
#include "ingest/names.h"
#include "ingest/unarchive_confinement.h"

namespace sandbox_run::ingest {
namespace {

using Clock = std::chrono::steady_clock;

// Above the helper's CPU limit: this one is for a machine that stands still.
constexpr std::chrono::seconds kDeadline{kUnarchiveCpuSeconds * 4};

const char* format_of(ContentKind kind) {
  switch (kind) {
    case ContentKind::zip:
      return "zip";
    case ContentKind::tar:
      return "tar";
    case ContentKind::tar_gz:
      return "tar_gz";
    case ContentKind::tar_zst:
      return "tar_zst";
    case ContentKind::empty:
    case ContentKind::go:
    case ContentKind::text_archive:
    case ContentKind::elf:
    case ContentKind::script:
    case ContentKind::unsupported_archive:
    case ContentKind::binary:
    case ContentKind::text:
      break;
  }
  return nullptr;
}

// The child: descriptors 0, 1 and 2 and nothing else, no environment, then the helper. Never returns.
[[noreturn]] void become_helper(const char* path, const char* const* arguments, int input, int output, int null,
                                pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  // Moved above 2 first: an inherited descriptor may sit where another one has to go.
  const int in = ::fcntl(input, F_DUPFD, 10), out = ::fcntl(output, F_DUPFD, 10), err = ::fcntl(null, F_DUPFD, 10);
  if (::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) ::_exit(127);
  if (::syscall(SYS_close_range, 3u, ~0u, 0) != 0) ::_exit(127);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (::chdir("/") != 0) ::_exit(127);
  const char* const environment[] = {nullptr};
  ::execve(path, const_cast<char* const*>(arguments), const_cast<char* const*>(environment));
  ::_exit(127);
}

// Kills and reaps what it holds.
class Helper {
 public:
  explicit Helper(pid_t pid) : pid_(pid) {}
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;
  ~Helper() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    reap();
  }
  int reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

Error too_slow(const std::string& name) {
  return input_error(fmt::format("refused {}: unpacking it takes more than {} s", escape(name), kUnarchiveCpuSeconds));
}

Status pump(int frames, FrameParser& parser, const std::string& name) {
  std::vector<char> buffer(256 * 1024);
  const auto deadline = Clock::now() + kDeadline;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return too_slow(name);
    pollfd ready{frames, POLLIN, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(left));
    if (count < 0 && errno != EINTR) return host_error(errno, "cannot wait for the archive reader");
    if (count <= 0) continue;
    const ssize_t got = ::read(frames, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return host_error(errno, "cannot read from the archive reader");
    if (got == 0) return {};
    TRY_STATUS(parser.feed({buffer.data(), static_cast<std::size_t>(got)}));
  }
}

// The stream ended without its end frame.
Error ended_early(int status, const std::string& helper, const std::string& name) {
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL)) return too_slow(name);
  if (WIFSIGNALED(status))
    return input_error(
        fmt::format("refused {}: the archive reader crashed on it (signal {})", escape(name), WTERMSIG(status)));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return host_error("cannot start the archive reader " + helper);
  return host_error(fmt::format("the archive reader {} failed on {}; run it by hand to see why", helper, escape(name)));
}

}  // namespace

Status unarchive(const std::string& helper, int archive, ContentKind kind, const std::string& name,
                 const Limits& limits, FrameSink& sink) {
  const char* format = format_of(kind);
  if (!format) return self_error("unarchive: not an archive");
  TRY(const UniqueFd null, open_path("/dev/null", O_WRONLY));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return host_error(errno, "cannot create a pipe for the archive reader");
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  // Directories and what is dropped are entries too; the sink holds each kind to its own cap.
  const std::string most_entries = std::to_string(3 * limits.files);
  const char* const arguments[] = {"sandbox-run-unarchive", format, most_entries.c_str(), nullptr};
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return host_error(errno, "cannot start the archive reader");
  if (child == 0) become_helper(helper.c_str(), arguments, archive, write_end.get(), null.get(), parent);
  Helper process(child);
  write_end.reset();
  FrameParser parser(sink);
  if (Status status = pump(read_end.get(), parser, name); !status) {
    if (status.error().fault == Fault::input) status.error().what = escape(name) + ": " + status.error().what;
    return status;
  }
  const int status = process.reap();
  if (parser.complete() && WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return ended_early(status, helper, name);
}

}  // namespace sandbox_run::ingest
