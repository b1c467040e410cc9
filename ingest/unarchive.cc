#include "ingest/unarchive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <vector>

#include "base/child_process.h"
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

Error too_slow(const std::string& name) {
  return input_error(fmt::format("refused {}: unpacking it takes more than {} s", escape(name), kUnarchiveCpuSeconds));
}

Status pump(int frames, FrameParser& parser, const std::string& name) {
  std::vector<char> buffer(256 * 1024);
  const auto deadline = Clock::now() + kDeadline;
  for (;;) {
    const Result<std::size_t> got = read_before(deadline, frames, buffer.data(), buffer.size(), "the archive reader");
    if (!got) return got.error().sys_errno == ETIMEDOUT ? too_slow(name) : got.error();
    if (*got == 0) return {};
    TRY_STATUS(parser.feed({buffer.data(), *got}));
  }
}

// The stream ended without its end frame.
Error ended_early(int status, const std::string& helper, const std::string& name) {
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL)) return too_slow(name);
  if (WIFSIGNALED(status))
    return input_error(
        fmt::format("refused {}: the archive reader crashed on it (signal {})", escape(name), WTERMSIG(status)));
  return host_error(fmt::format("the archive reader {} failed on {}; run it by hand to see why", helper, escape(name)));
}

}  // namespace

Status unarchive(const std::string& helper, int archive, ContentKind kind, const std::string& name,
                 const Limits& limits, FrameSink& sink) {
  const char* format = format_of(kind);
  if (!format) return self_error("unarchive: not an archive");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return host_error(errno, "cannot create a pipe for the archive reader");
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  // Directories and what is dropped are entries too; the sink holds each kind to its own cap.
  const std::string most_entries = std::to_string(3 * limits.files);
  TRY(ChildProcess process,
      ChildProcess::start({helper, {format, most_entries}, {}, archive, write_end.get()}, "the archive reader"));
  write_end.reset();
  FrameParser parser(sink);
  if (Status status = pump(read_end.get(), parser, name); !status) {
    if (status.error().fault == Fault::input) status.error().what = escape(name) + ": " + status.error().what;
    return status;
  }
  const int status = process.wait();
  if (parser.complete() && WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return ended_early(status, helper, name);
}

}  // namespace sandbox_run::ingest
