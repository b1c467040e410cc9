#include "fetch/helper_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

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

int spawn(const std::string& program, int socket, pid_t& pid) {
  std::vector<std::string> environment = helper_environment();
  std::vector<char*> envp;
  for (std::string& entry : environment) envp.push_back(entry.data());
  envp.push_back(nullptr);
  char* argv[] = {const_cast<char*>(program.c_str()), nullptr};
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  // A group of its own: an interrupt at the terminal is for the supervisor, which then ends the helper.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, socket, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawn_file_actions_addchdir_np(&actions, "/");
  int error = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, argv, envp.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return error;
}

}  // namespace

Result<HelperProcess> HelperProcess::start(const std::string& program) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return host_error(errno, "cannot make a socket pair for the downloader");
  HelperProcess helper;
  helper.socket_.reset(ends[0]);
  UniqueFd theirs(ends[1]);
  if (int error = spawn(program, theirs.get(), helper.pid_); error != 0) {
    helper.pid_ = -1;
    return host_error(error, "cannot start the downloader " + program + ", which belongs to this installation");
  }
  return helper;
}

HelperProcess::HelperProcess(HelperProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), socket_(std::move(other.socket_)) {}

HelperProcess& HelperProcess::operator=(HelperProcess&& other) noexcept {
  if (this != &other) {
    end();
    pid_ = std::exchange(other.pid_, -1);
    socket_ = std::move(other.socket_);
  }
  return *this;
}

HelperProcess::~HelperProcess() { end(); }

void HelperProcess::end() {
  socket_.reset();
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
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
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd ready{socket_.get(), POLLIN, 0};
    int count = ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) return host_error(ETIMEDOUT, "the downloader says nothing");
    ssize_t got = ::read(socket_.get(), buffer, size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return host_error(errno, "cannot read from the downloader");
    if (got == 0) return host_error(EPIPE, "the downloader ended in the middle of an answer");
    buffer += got;
    size -= static_cast<std::size_t>(got);
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
