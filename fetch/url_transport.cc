#include "fetch/url_transport.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "base/files.h"
#include "base/helper_program.h"
#include "fetch/helper_process.h"

namespace sandbox_run::fetch {

namespace {

using Clock = std::chrono::steady_clock;

Status empty(int fd) {
  if (::ftruncate(fd, 0) != 0 || ::lseek(fd, 0, SEEK_SET) != 0)
    return host_error(errno, "cannot empty a temporary file");
  return {};
}

// What a server says goes to terminals and logs: printable ASCII, one line, bounded.
std::string printable(std::string_view text) {
  std::string line;
  for (char c : text.substr(0, 400)) {
    const bool space = c == '\n' || c == '\t' || c == '\r' || c == ' ';
    if (space && (line.empty() || line.back() == ' ')) continue;
    line += space ? ' ' : (c >= 0x20 && c < 0x7f) ? c : '?';
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// file:///absolute/path, %XX decoded (RFC 8089). Fails with: Fault::input on a host, a NUL or a bad escape.
Result<std::string> path_of_file_url(const std::string& url) {
  std::string rest = url.substr(std::string_view("file://").size());
  if (rest.starts_with("localhost/")) rest = rest.substr(9);
  if (!rest.starts_with('/')) return input_error("the URL " + url + " names no absolute path: write file:///path");
  std::string path;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != '%') {
      path += rest[i];
      continue;
    }
    const int high = i + 2 < rest.size() ? hex_value(rest[i + 1]) : -1,
              low = i + 2 < rest.size() ? hex_value(rest[i + 2]) : -1;
    if (high < 0 || low < 0 || high * 16 + low == 0) return input_error("the URL " + url + " has a malformed %-escape");
    path += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return path;
}

class UrlTransport final : public Transport {
 public:
  explicit UrlTransport(TransportOptions options) : options_(std::move(options)) {}

  Result<Downloaded> get(const Download& download, int output_fd, Narrator& narrator) override {
    if (download.url.size() > wire::kMaxUrlBytes || download.url.find('\n') != std::string::npos)
      return input_error("the URL of " + download.what + " is malformed");
    if (download.url.starts_with("file://")) return copy(download, output_fd, narrator);
    if (!download.url.starts_with("https://"))
      return input_error("cannot fetch " + without_credentials(download.url) +
                         ": only https:// and file:// are fetched");
    return fetch(download, output_fd, narrator);
  }

 private:
  struct Attempt {
    Downloaded downloaded;  // where there is no error
    std::optional<Error> error;
    bool transient = false;
    std::chrono::seconds retry_after{0};
  };
  static Attempt failed(Error error, bool transient, std::chrono::seconds retry_after = {}) {
    Attempt attempt;
    attempt.error = std::move(error);
    attempt.transient = transient;
    attempt.retry_after = retry_after;
    return attempt;
  }

  Result<Downloaded> copy(const Download& download, int output_fd, Narrator& narrator);
  Result<Downloaded> fetch(const Download& download, int output_fd, Narrator& narrator);
  Result<Attempt> attempt(const Download& download, int output_fd, Narrator& narrator);
  Result<HelperProcess*> helper();

  TransportOptions options_;
  std::optional<HelperProcess> helper_;
};

Result<Downloaded> UrlTransport::copy(const Download& download, int output_fd, Narrator& narrator) {
  TRY(std::string path, path_of_file_url(download.url));
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return Downloaded{false, "there is no file " + path};
  if (!file) return host_error(errno, "cannot open " + path + " for " + download.what);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return host_error(errno, "cannot look at " + path);
  if (!S_ISREG(info.st_mode))
    return host_error("cannot read " + path + " for " + download.what + ": it is no regular file");
  TRY_STATUS(empty(output_fd));
  std::string buffer(1 << 20, '\0');
  for (std::uint64_t done = 0;;) {
    ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return host_error(errno, "cannot read " + path + " for " + download.what);
    if (got == 0) return Downloaded{true, ""};
    done += static_cast<std::uint64_t>(got);
    if (done > download.limit.count)
      return host_error(EFBIG, fmt::format("cannot take {} for {}: it is larger than {}", path, download.what,
                                           format_bytes(download.limit)));
    TRY_STATUS(write_all(output_fd, std::string_view(buffer).substr(0, static_cast<std::size_t>(got)),
                         "a temporary file for " + download.what));
    narrator.progress("fetch " + download.what, done, static_cast<std::uint64_t>(info.st_size));
  }
}

Result<HelperProcess*> UrlTransport::helper() {
  if (helper_) return &*helper_;
  std::string program = options_.helper;
  if (program.empty()) {
    TRY(program, helper_program("sandbox-run-fetch"));
  }
  TRY(HelperProcess started, HelperProcess::start(program));
  helper_ = std::move(started);
  return &*helper_;
}

// One request, one answer. An Error is the machine's or the disk's; what the network did is in the Attempt.
Result<UrlTransport::Attempt> UrlTransport::attempt(const Download& download, int output_fd, Narrator& narrator) {
  TRY(HelperProcess * helper, helper());
  TRY_STATUS(empty(output_fd));
  auto broken = [&](Error error) {
    helper_.reset();  // whatever state it is in, the next attempt starts a new one
    return failed(std::move(error), true);
  };
  const std::string request = fmt::format("{}\n{}\n{}", download.limit.count, download.timeout.count(), download.url);
  if (Status sent = helper->send(wire::Frame::get, request); !sent) return broken(sent.error());
  const auto deadline = Clock::now() + download.timeout + std::chrono::seconds(10);
  std::uint64_t done = 0, total = 0;
  for (;;) {
    Result<HelperProcess::Received> frame = helper->receive(deadline);
    if (!frame) return broken(frame.error());
    if (frame->type == wire::Frame::total) total = std::strtoull(frame->payload.c_str(), nullptr, 10);
    if (frame->type == wire::Frame::data) {
      done += frame->payload.size();
      if (done > download.limit.count)
        return broken(host_error(EFBIG, "the downloader sends more than it was asked for"));
      TRY_STATUS(write_all(output_fd, frame->payload, "a temporary file for " + download.what));
      narrator.progress("fetch " + download.what, done, std::min(total, download.limit.count));
    }
    if (frame->type != wire::Frame::result) continue;
    const std::size_t first = frame->payload.find('\n'), second = frame->payload.find('\n', first + 1);
    if (second == std::string::npos) return broken(host_error(EPROTO, "the downloader broke the protocol"));
    const std::string outcome = frame->payload.substr(0, first), message = printable(frame->payload.substr(second + 1));
    if (outcome == wire::kOk) return Attempt{{true, ""}, {}, false, {}};
    if (outcome == wire::kMissing) return Attempt{{false, message}, {}, false, {}};
    if (outcome == wire::kTooLarge)
      return failed(host_error(EFBIG, "it is larger than " + format_bytes(download.limit)), false);
    const long retry_after = std::clamp(std::strtol(frame->payload.c_str() + first + 1, nullptr, 10), 0L, 30L);
    return failed(host_error(message), outcome == wire::kTransient, std::chrono::seconds(retry_after));
  }
}

Result<Downloaded> UrlTransport::fetch(const Download& download, int output_fd, Narrator& narrator) {
  std::chrono::milliseconds delay = options_.first_delay;
  for (int number = 1;; ++number) {
    TRY(Attempt attempt, this->attempt(download, output_fd, narrator));
    if (!attempt.error) return attempt.downloaded;
    Error error = std::move(*attempt.error);
    if (!attempt.transient || number >= options_.attempts) {
      const std::string tries = number > 1 ? fmt::format(" ({} attempts)", number) : "";
      error.what = fmt::format("cannot fetch {} from {}: {}{}; check the network, GOPROXY and the proxy variables",
                               download.what, without_credentials(download.url), error.what, tries);
      return error;
    }
    narrator.note(fmt::format("fetching {} failed ({}); trying again", download.what, error.what));
    std::this_thread::sleep_for(std::max<std::chrono::milliseconds>(delay, attempt.retry_after));
    delay *= 2;
  }
}

}  // namespace

std::string without_credentials(const std::string& url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  const std::size_t begin = scheme + 3, end = std::min(url.find('/', begin), url.size());
  const std::size_t at = url.rfind('@', end);
  if (at == std::string::npos || at < begin || at >= end) return url;
  return url.substr(0, begin) + url.substr(at + 1);
}

std::unique_ptr<Transport> make_transport(TransportOptions options) {
  return std::make_unique<UrlTransport>(std::move(options));
}

}  // namespace sandbox_run::fetch
