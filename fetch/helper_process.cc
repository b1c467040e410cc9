#include "fetch/helper_process.h"

#include <sys/socket.h>

#include <cstdlib>
#include <vector>

namespace sandbox_run::fetch {

namespace {

// What curl and OpenSSL honour; everything else of our environment is none of the helper's business.
constexpr const char* kPassedOn[] = {"http_proxy",   "https_proxy",    "HTTPS_PROXY",    "all_proxy",
                                     "ALL_PROXY",    "no_proxy",       "NO_PROXY",       "SSL_CERT_FILE",
                                     "SSL_CERT_DIR", "CURL_CA_BUNDLE", "LD_LIBRARY_PATH"};

std::vector<std::string> helper_environment() {
  std::vector<std::string> environment;
  for (const char* name : kPassedOn)
    if (const char* value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
  return environment;
}

}  // namespace

Result<HelperProcess> HelperProcess::start(const std::string& program) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return host_error(errno, "cannot make a socket pair for the downloader");
  UniqueFd ours(ends[0]), theirs(ends[1]);
  TRY(ChildProcess process, ChildProcess::start({program, {}, helper_environment(), theirs.get(), -1},
                                                "the downloader, which belongs to this installation,"));
  return HelperProcess(std::move(process), std::move(ours));
}

Status HelperProcess::send(wire::Frame type, std::string_view payload) {
  std::string frame(1, static_cast<char>(type));
  const std::uint32_t size = static_cast<std::uint32_t>(payload.size());
  frame.append(reinterpret_cast<const char*>(&size), sizeof size).append(payload);
  for (std::string_view rest = frame; !rest.empty();) {
    ssize_t put = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return host_error(errno, "the downloader does not take requests");
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Status HelperProcess::read_exactly(char* buffer, std::size_t size, std::chrono::steady_clock::time_point deadline) {
  while (size > 0) {
    TRY(const std::size_t got, read_before(deadline, socket_.get(), buffer, size, "the downloader"));
    if (got == 0) return host_error(EPIPE, "the downloader ended in the middle of an answer");
    buffer += got;
    size -= got;
  }
  return {};
}

Result<HelperProcess::Received> HelperProcess::receive(std::chrono::steady_clock::time_point deadline) {
  char type = 0;
  std::uint32_t size = 0;
  TRY_STATUS(read_exactly(&type, 1, deadline));
  TRY_STATUS(read_exactly(reinterpret_cast<char*>(&size), sizeof size, deadline));
  Received received;
  switch (type) {
    case static_cast<char>(wire::Frame::total):
    case static_cast<char>(wire::Frame::data):
    case static_cast<char>(wire::Frame::result):
      received.type = static_cast<wire::Frame>(type);
      break;
    default:
      return host_error(EPROTO, "the downloader broke the protocol");
  }
  if (size > wire::kMaxFrameBytes) return host_error(EPROTO, "the downloader broke the protocol");
  received.payload.resize(size);
  TRY_STATUS(read_exactly(received.payload.data(), size, deadline));
  return received;
}

}  // namespace sandbox_run::fetch
