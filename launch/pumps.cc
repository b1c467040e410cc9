#include "launch/pumps.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sandbox_run::launch {
namespace {

constexpr std::size_t kChunk = 64u << 10;

ssize_t or_negative(ssize_t result) { return result < 0 ? -errno : result; }

// EINTR never: the caller's loop would take it for an error, and trying again is always right.
template <class Call>
ssize_t uninterrupted(Call call) {
  ssize_t result;
  do result = call();
  while (result < 0 && errno == EINTR);
  return or_negative(result);
}

bool is_ready(int fd, short events) {
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, 0) == 1;
}

}  // namespace

BorrowedStream BorrowedStream::reader(int fd) { return open(fd, O_RDONLY); }
BorrowedStream BorrowedStream::writer(int fd) { return open(fd, O_WRONLY); }

BorrowedStream BorrowedStream::open(int fd, int access) {
  BorrowedStream stream;
  stream.fd_ = fd;
  struct stat status {};
  if (fd < 0 || ::fstat(fd, &status) != 0) return stream;
  if (S_ISSOCK(status.st_mode)) {
    stream.kind_ = Kind::socket;
  } else if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    // Opening through /proc gives a new description with a file status of its own; it may be refused (another user's
    // terminal), then poll has to do.
    stream.own_.reset(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    stream.kind_ = stream.own_ ? Kind::own : Kind::guarded;
  }
  return stream;
}

ssize_t BorrowedStream::read_some(char* data, std::size_t size) {
  if (kind_ == Kind::socket) return uninterrupted([&] { return ::recv(fd_, data, size, MSG_DONTWAIT); });
  if (kind_ == Kind::guarded && !is_ready(fd_, POLLIN)) return -EAGAIN;
  return uninterrupted([&] { return ::read(moving_fd(), data, size); });
}

ssize_t BorrowedStream::write_some(const char* data, std::size_t size) {
  if (kind_ == Kind::socket) return uninterrupted([&] { return ::send(fd_, data, size, MSG_DONTWAIT | MSG_NOSIGNAL); });
  if (kind_ == Kind::guarded) {
    // A pipe that polls writable takes PIPE_BUF bytes without blocking (pipe(7)).
    if (!is_ready(fd_, POLLOUT)) return -EAGAIN;
    size = std::min<std::size_t>(size, PIPE_BUF);
  }
  return uninterrupted([&] { return ::write(moving_fd(), data, size); });
}

void BorrowedStream::drop() {
  fd_ = -1;
  own_.reset();
}

OutputPump::OutputPump(UniqueFd pipe, int sink, Bytes capture)
    : pipe_(std::move(pipe)), sink_(BorrowedStream::writer(sink)), capture_(capture) {}

void OutputPump::add_poll(std::vector<pollfd>& entries) {
  if (!pending_.empty()) {
    entries.push_back({sink_.poll_fd(), POLLOUT, 0});
  } else if (pipe_) {
    entries.push_back({pipe_.get(), POLLIN, 0});
  }
}

// Answers whether the budget held.
bool OutputPump::read_pipe(std::uint64_t& budget) {
  char chunk[kChunk];
  // One byte more than may be passed tells "all of it" from "more than that".
  const std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(sizeof chunk, budget + 1));
  const ssize_t got = uninterrupted([&] { return ::read(pipe_.get(), chunk, most); });
  if (got == -EAGAIN) return true;
  if (got <= 0) {
    pipe_.reset();
    return true;
  }
  const std::size_t kept = static_cast<std::size_t>(std::min<std::uint64_t>(static_cast<std::uint64_t>(got), budget));
  budget -= kept;
  stream_.bytes += kept;
  const std::size_t captured =
      static_cast<std::size_t>(std::min<std::uint64_t>(kept, capture_.count - stream_.captured.size()));
  stream_.captured.append(chunk, captured);
  stream_.truncated |= captured < static_cast<std::size_t>(got);
  if (sink_.exists()) pending_.append(chunk, kept);
  return kept == static_cast<std::size_t>(got);
}

OutputPump::Event OutputPump::write_sink() {
  const ssize_t put = sink_.write_some(pending_.data() + written_, pending_.size() - written_);
  if (put == -EAGAIN) return Event::none;
  if (put < 0) {
    sink_errno_ = static_cast<int>(-put);
    abandon();
    return sink_errno_ == EPIPE || sink_errno_ == ECONNRESET ? Event::none : Event::sink_failed;
  }
  written_ += static_cast<std::size_t>(put);
  if (written_ == pending_.size()) {
    pending_.clear();
    written_ = 0;
  }
  return Event::none;
}

OutputPump::Event OutputPump::serve(std::uint64_t& budget) {
  bool within_budget = true;
  if (pending_.empty() && pipe_) within_budget = read_pipe(budget);
  Event event = Event::none;
  if (!pending_.empty()) event = write_sink();
  return within_budget ? event : Event::over_budget;
}

void OutputPump::abandon() {
  pipe_.reset();  // the program gets SIGPIPE or EPIPE, as in a shell
  sink_.drop();
  pending_.clear();
  written_ = 0;
}

InputPump::InputPump(UniqueFd pipe, int source) : pipe_(std::move(pipe)), source_(BorrowedStream::reader(source)) {
  if (!source_.exists()) pipe_.reset();
}

bool InputPump::has_room() const {
  int queued = 0;
  if (::ioctl(pipe_.get(), FIONREAD, &queued) != 0) return true;
  return queued + PIPE_BUF <= static_cast<int>(kChunk);
}

void InputPump::add_poll(std::vector<pollfd>& entries) {
  if (!pipe_) return;
  // The pipe is watched in any case: its error means that the program has closed its end.
  const bool wants_source = pending_.empty() && has_room();
  entries.push_back({pipe_.get(), static_cast<short>(wants_source ? 0 : POLLOUT), 0});
  if (wants_source) entries.push_back({source_.poll_fd(), POLLIN, 0});
}

void InputPump::serve() {
  if (!pipe_) return;
  if (pending_.empty() && has_room() && is_ready(source_.poll_fd(), POLLIN)) {
    char chunk[kChunk];
    const ssize_t got = source_.read_some(chunk, sizeof chunk);
    if (got == -EAGAIN) return;
    // An error of the source is its end for the program too, as with a closed terminal.
    if (got <= 0) return close();
    pending_.assign(chunk, static_cast<std::size_t>(got));
  }
  if (pending_.empty()) {
    if (is_ready(pipe_.get(), 0)) close();  // POLLERR: no reader is left
    return;
  }
  const ssize_t put = uninterrupted([&] { return ::write(pipe_.get(), pending_.data(), pending_.size()); });
  if (put == -EAGAIN) return;
  if (put < 0) return close();
  pending_.erase(0, static_cast<std::size_t>(put));
}

}  // namespace sandbox_run::launch
