#include "hooks/control_socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "hooks/clock.h"
#include "hooks/rules.h"

namespace sandbox_run::hooks {
namespace {

constexpr std::size_t kMaxPeers = 8;
constexpr std::size_t kMaxLine = 1024;
constexpr std::uint64_t kPatience_ns = 2'000'000'000;
constexpr int kAnswerPatience_ms = 10'000;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return input_error(
        fmt::format("'{}' is too long for a socket's path: {} bytes are the most; set SANDBOX_RUN_STATE to a "
                    "directory with a shorter one",
                    path, sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

enum class Parsed { incomplete, complete, wrong };

// "attach RULE", "detach RULE", "list", "reload BYTES NAME" and then BYTES bytes.
Parsed parse(std::string_view received, ControlRequest& request) {
  const std::size_t end = received.find('\n');
  if (end == std::string_view::npos) return received.size() > kMaxLine ? Parsed::wrong : Parsed::incomplete;
  const std::string_view line = received.substr(0, end);
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  std::string_view rest = line.substr(std::min(space + 1, line.size()));
  if (word == "list") return request.kind = ControlRequest::Kind::list, Parsed::complete;
  if (word == "attach" || word == "detach") {
    request.kind = word == "attach" ? ControlRequest::Kind::attach : ControlRequest::Kind::detach;
    request.rule = rest;
    return Parsed::complete;
  }
  if (word != "reload") return Parsed::wrong;
  request.kind = ControlRequest::Kind::reload;
  std::uint64_t size = 0;
  auto [stopped, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), size);
  if (problem != std::errc() || size > kMaxRulesText) return Parsed::wrong;
  rest.remove_prefix(static_cast<std::size_t>(stopped - rest.data()));
  if (!rest.starts_with(' ') || rest.size() < 2) return Parsed::wrong;
  if (received.size() - end - 1 < size) return Parsed::incomplete;
  request.name = rest.substr(1);
  request.text = received.substr(end + 1, size);
  return Parsed::complete;
}

std::string wire_form(const ControlRequest& request) {
  switch (request.kind) {
    case ControlRequest::Kind::attach:
      return "attach " + request.rule + "\n";
    case ControlRequest::Kind::detach:
      return "detach " + request.rule + "\n";
    case ControlRequest::Kind::list:
      return "list\n";
    case ControlRequest::Kind::reload:
      return fmt::format("reload {} {}\n", request.text.size(), request.name) + request.text;
  }
  return "";
}

}  // namespace

ControlSocket::ControlSocket(std::string path, UniqueFd fd, Handler handler)
    : path_(std::move(path)), fd_(std::move(fd)), handler_(std::move(handler)) {}

ControlSocket::~ControlSocket() {
  if (fd_) ::unlink(path_.c_str());
}

Result<ControlSocket> ControlSocket::listen(const std::string& path, Handler handler) {
  TRY(sockaddr_un address, address_of(path));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return host_error(errno, "cannot make the socket that rules are switched through");
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0 && S_ISSOCK(there.st_mode)) ::unlink(path.c_str());
  // bind(2) makes the file with the socket's own mode: nobody else can connect before it is narrowed.
  if (::fchmod(fd.get(), 0600) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(fd.get(), 8) != 0)
    return host_error(errno, fmt::format("cannot listen at {}, where rules are switched", path));
  return ControlSocket(path, std::move(fd), std::move(handler));
}

void ControlSocket::serve(int timeout_ms) {
  std::vector<pollfd> waiting = {{fd_.get(), static_cast<short>(peers_.size() < kMaxPeers ? POLLIN : 0), 0}};
  for (const Peer& peer : peers_)
    waiting.push_back({peer.fd.get(), static_cast<short>(peer.to_send.empty() ? POLLIN : POLLOUT), 0});
  if (::poll(waiting.data(), waiting.size(), timeout_ms) < 0) return;  // EINTR: the next round sees it
  const std::uint64_t now_ns = monotonic_ns();
  auto events = waiting.begin() + 1;
  for (auto peer = peers_.begin(); peer != peers_.end(); ++events) {
    const bool more = now_ns < peer->deadline_ns && (events->revents == 0 || serve_peer(*peer, events->revents));
    peer = more ? std::next(peer) : peers_.erase(peer);
  }
  if (waiting[0].revents & POLLIN) accept_peer();
}

void ControlSocket::accept_peer() {
  UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return;
  if (peer.uid != ::geteuid() && peer.uid != 0) return;
  peers_.push_back({std::move(fd), peer.uid, monotonic_ns() + kPatience_ns, "", ""});
  serve_peer(peers_.back(), POLLIN);  // what it asks is mostly there already
  if (!peers_.back().to_send.empty() && !serve_peer(peers_.back(), POLLOUT)) peers_.pop_back();
}

bool ControlSocket::serve_peer(Peer& peer, short events) {
  if (events & POLLOUT) {
    const ssize_t sent = ::send(peer.fd.get(), peer.to_send.data(), peer.to_send.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    peer.to_send.erase(0, static_cast<std::size_t>(sent));
    return !peer.to_send.empty();
  }
  char buffer[16384];
  const ssize_t got = ::recv(peer.fd.get(), buffer, sizeof buffer, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  peer.received.append(buffer, static_cast<std::size_t>(got));
  ControlRequest request;
  switch (parse(peer.received, request)) {
    case Parsed::incomplete:
      return true;
    case Parsed::wrong:
      peer.to_send = R"({"ok":false,"error":"this is no request: attach RULE, detach RULE, list, reload BYTES NAME"})";
      break;
    case Parsed::complete:
      peer.to_send = handler_(request, peer.uid);
      break;
  }
  peer.to_send += '\n';
  return true;
}

Result<std::string> ask(const std::string& path, const ControlRequest& request) {
  if ((request.rule + request.name).find('\n') != std::string::npos)
    return input_error("a rule's name has no line break in it");
  TRY(sockaddr_un address, address_of(path));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return host_error(errno, "cannot make a socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return input_error(errno, fmt::format("cannot reach the run at {} (it is over, or is not traced)", path));
  const std::string wire = wire_form(request);
  for (std::size_t at = 0; at < wire.size();) {
    const ssize_t sent = ::send(fd.get(), wire.data() + at, wire.size() - at, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) break;  // it may have refused without reading on: the answer says why
    at += static_cast<std::size_t>(sent);
  }
  std::string answer;
  while (answer.size() <= kMaxRulesText && (answer.empty() || answer.back() != '\n')) {
    pollfd waiting{fd.get(), POLLIN, 0};
    char buffer[4096];
    if (::poll(&waiting, 1, kAnswerPatience_ms) == 0)
      return host_error(fmt::format("no answer from the run at {} within {} s", path, kAnswerPatience_ms / 1000));
    const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return host_error(fmt::format("the run at {} hung up (it ended, or is another user's)", path));
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  answer.pop_back();
  const auto json = nlohmann::json::parse(answer, nullptr, false);
  if (!json.is_object() || !json.contains("ok")) return host_error("the run's answer cannot be read: " + answer);
  if (json["ok"] == true) return answer;
  const auto reason = json.find("error");
  return input_error(reason != json.end() && reason->is_string() ? reason->get<std::string>()
                                                                 : "the run refused without a reason");
}

}  // namespace sandbox_run::hooks
