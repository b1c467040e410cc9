// sandbox-run-fetch: the one program of ours that speaks to the network. It reads requests from descriptor 0 (wire.h),
// fetches over https and nothing else, and writes what it gets back to the same socket; it opens no file for writing
// and, started by root, gives up root before the first packet. Started by the supervisor only.
#include <curl/curl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "fetch/wire.h"

namespace {

using namespace sandbox_run::fetch;

constexpr int kSocket = 0;
constexpr uid_t kNobody = 65534;
constexpr std::size_t kMaxReasonBytes = 300;

// ---- the socket ----

bool read_exactly(void* buffer, std::size_t size) {
  char* at = static_cast<char*>(buffer);
  while (size > 0) {
    ssize_t got = ::read(kSocket, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

void write_frame(wire::Frame type, std::string_view payload) {
  std::string frame(1, static_cast<char>(type));
  const std::uint32_t size = static_cast<std::uint32_t>(payload.size());
  frame.append(reinterpret_cast<const char*>(&size), sizeof size).append(payload);
  for (std::string_view rest = frame; !rest.empty();) {
    ssize_t put = ::send(kSocket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) ::_exit(0);  // the supervisor is gone
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
}

// ---- privileges ----

// Best effort by design: in a user namespace there may be no other uid to become. What always holds: no new privileges,
// no capabilities, no file written.
void give_up_privileges() {
  if (::geteuid() == 0) {
    (void)::setgroups(0, nullptr);
    (void)!::setresgid(kNobody, kNobody, kNobody);
    (void)!::setresuid(kNobody, kNobody, kNobody);
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (::syscall(SYS_capset, &header, none) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(1);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // after the change of identity, which clears it
  const rlimit zero{0, 0}, memory{1ull << 30, 1ull << 30}, files{64, 64};
  ::setrlimit(RLIMIT_CORE, &zero);
  ::setrlimit(RLIMIT_FSIZE, &zero);
  ::setrlimit(RLIMIT_AS, &memory);
  ::setrlimit(RLIMIT_NOFILE, &files);
}

// ---- one transfer ----

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// The CA bundle, read while we may still be root: the file may be readable by root only.
std::string certificate_bundle() {
  std::string path = environment("CURL_CA_BUNDLE");
  if (path.empty()) path = environment("SSL_CERT_FILE");
  if (path.empty()) return "";
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

struct Transfer {
  CURL* curl = nullptr;
  std::uint64_t limit = 0;
  std::uint64_t received = 0;
  bool too_large = false;
  bool total_sent = false;
  std::string reason;  // the beginning of a body that is no success: module proxies say there why
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* context) {
  Transfer& transfer = *static_cast<Transfer*>(context);
  long code = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &code);
  if (code != 200) {
    transfer.reason.append(data, std::min(size, kMaxReasonBytes - std::min(kMaxReasonBytes, transfer.reason.size())));
    return size;
  }
  transfer.received += size;
  if (transfer.received > transfer.limit) {
    transfer.too_large = true;
    return 0;  // anything but `size` ends the transfer
  }
  if (!transfer.total_sent) {
    transfer.total_sent = true;
    curl_off_t total = -1;
    curl_easy_getinfo(transfer.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
    if (total > 0) write_frame(wire::Frame::total, std::to_string(total));
  }
  for (std::string_view rest(data, size); !rest.empty();) {
    std::string_view piece = rest.substr(0, wire::kMaxFrameBytes);
    write_frame(wire::Frame::data, piece);
    rest.remove_prefix(piece.size());
  }
  return size;
}

void answer(const char* outcome, long retry_after_seconds, const std::string& message) {
  write_frame(wire::Frame::result, std::string(outcome) + "\n" + std::to_string(retry_after_seconds) + "\n" + message);
}

bool is_transient(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:  // CURLcode is curl's and grows with it: what we do not know is final
      return false;
  }
}

void conclude(const Transfer& transfer, CURLcode code, const char* error_text) {
  if (transfer.too_large || code == CURLE_FILESIZE_EXCEEDED)
    return answer(wire::kTooLarge, 0, "the server sends more than " + std::to_string(transfer.limit) + " bytes");
  if (code != CURLE_OK) {
    std::string message = error_text[0] ? error_text : curl_easy_strerror(code);
    return answer(is_transient(code) ? wire::kTransient : wire::kFailed, 0, message);
  }
  long status = 0;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(transfer.curl, CURLINFO_RETRY_AFTER, &retry_after);
  if (status == 200) return answer(wire::kOk, 0, "");
  std::string message = "the server answered " + std::to_string(status);
  if (!transfer.reason.empty()) message += ": " + transfer.reason;
  if (status == 404 || status == 410) return answer(wire::kMissing, 0, message);
  const bool transient = status == 429 || status == 408 || (status >= 500 && status != 501);
  answer(transient ? wire::kTransient : wire::kFailed, static_cast<long>(retry_after), message);
}

void configure(CURL* curl, const std::string& bundle, char* error_text) {
  curl_easy_reset(curl);  // keeps connections
  error_text[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_text);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 100L);  // bytes per second …
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 30L);    // … for so many seconds: a stalled server
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "sandbox-run");
  curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &take_body);
  if (!bundle.empty()) {
    curl_blob blob{const_cast<char*>(bundle.data()), bundle.size(), CURL_BLOB_NOCOPY};
    curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (const std::string directory = environment("SSL_CERT_DIR"); !directory.empty())
    curl_easy_setopt(curl, CURLOPT_CAPATH, directory.substr(0, directory.find(':')).c_str());
}

void get(CURL* curl, const std::string& request, const std::string& bundle) {
  const std::size_t first = request.find('\n'), second = request.find('\n', first + 1);
  if (first == std::string::npos || second == std::string::npos) ::_exit(1);
  Transfer transfer{curl, std::strtoull(request.c_str(), nullptr, 10), 0, false, false, ""};
  const std::string url = request.substr(second + 1);
  char error_text[CURL_ERROR_SIZE];
  configure(curl, bundle, error_text);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, std::strtol(request.c_str() + first + 1, nullptr, 10));
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(transfer.limit));
  conclude(transfer, curl_easy_perform(curl), error_text);
}

}  // namespace

int main() {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(kSocket, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
    std::fputs("sandbox-run-fetch: started by sandbox-run, not by hand: say sandbox-run fetch SOURCE\n", stderr);
    return 2;
  }
  const std::string bundle = certificate_bundle();
  give_up_privileges();
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return 1;
  CURL* curl = curl_easy_init();
  if (curl == nullptr) return 1;
  for (;;) {
    char frame = 0;
    std::uint32_t length = 0;
    if (!read_exactly(&frame, 1) || !read_exactly(&length, sizeof length)) return 0;
    if (frame != static_cast<char>(wire::Frame::get) || length > wire::kMaxUrlBytes + 64) return 1;
    std::string request(length, '\0');
    if (!read_exactly(request.data(), length)) return 0;
    get(curl, request, bundle);
  }
}
