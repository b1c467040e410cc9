#include "fetch/goproxy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "base/child_process.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "fetch/transport.h"

namespace sandbox_run::fetch {

namespace {

Result<ProxyEntry> parse_entry(const std::string& word, bool fall_back_on_error) {
  if (word == "off") return ProxyEntry{ProxyEntry::Kind::off, "", fall_back_on_error};
  if (word == "direct") return ProxyEntry{ProxyEntry::Kind::direct, "", fall_back_on_error};
  std::string url = word;
  // As in cmd/go: a word that looks like a host and is no path means https.
  if (url.find_first_of(".:/") != std::string::npos && url.find(":/") == std::string::npos && !url.starts_with('/'))
    url = "https://" + url;
  if (!url.starts_with("https://") && !url.starts_with("file://"))
    return input_error("GOPROXY has the entry " + without_credentials(word) +
                       ": only https:// and file:// are fetched from, and 'off' and 'direct' understood");
  while (url.ends_with('/') && url != "file:///") url.pop_back();
  return ProxyEntry{ProxyEntry::Kind::url, url, fall_back_on_error};
}

// ---- go env ----

// Our own environment without what makes cmd/go look beyond itself.
std::vector<std::string> go_environment(const std::string& goroot) {
  std::vector<std::string> environment = {"GOTOOLCHAIN=local", "GOWORK=off", "GOFLAGS=", "GO111MODULE=on"};
  for (const char* name : {"HOME", "XDG_CONFIG_HOME", "GOENV", "PATH"})
    if (const char* value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
  if (!goroot.empty()) environment.push_back("GOROOT=" + goroot);
  return environment;
}

// What `program env GOPROXY` prints, within 20 s and 64 KiB.
Result<std::string> ask_go(const std::string& program, const std::string& goroot) {
  const std::string attempt = "cannot ask " + program + " for its GOPROXY ('go env GOPROXY')";
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return host_error(errno, attempt);
  UniqueFd input(ends[0]), output(ends[1]);
  // In /, where no go.mod and no go.work is.
  auto child = ChildProcess::start({program, {"env", "GOPROXY"}, go_environment(goroot), -1, output.get()}, "Go");
  if (!child) return host_error(attempt + ": " + child.error().what);
  output.reset();
  std::string text;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (text.size() < 65536) {
    char buffer[4096];
    TRY(const std::size_t got, read_before(deadline, input.get(), buffer, sizeof buffer, attempt + ": it"));
    if (got == 0) break;
    text.append(buffer, got);
  }
  input.reset();
  const int status = child->wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return host_error(attempt + ": it failed");
  return std::string(trim(text));
}

}  // namespace

Result<std::vector<ProxyEntry>> parse_goproxy(const std::string& list) {
  std::vector<ProxyEntry> proxies;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find_first_of(",|", begin), list.size());
    const std::string word(trim(std::string_view(list).substr(begin, end - begin)));
    const bool fall_back_on_error = end < list.size() && list[end] == '|';
    begin = end + 1;
    if (word.empty()) continue;
    TRY(ProxyEntry entry, parse_entry(word, fall_back_on_error));
    proxies.push_back(entry);
    if (entry.kind != ProxyEntry::Kind::url) break;  // neither `off` nor `direct` leads on
  }
  if (proxies.empty())
    return input_error("GOPROXY is '" + list +
                       "': it has no entry; unset it, or name https:// or file:// module proxies");
  return proxies;
}

Result<ProxyAnswer> ask_proxies(const std::vector<ProxyEntry>& proxies,
                                const std::function<Result<ProxyAnswer>(const std::string& url)>& ask) {
  std::optional<Error> telling;
  ProxyAnswer answer;
  for (const ProxyEntry& proxy : proxies) {
    if (proxy.kind == ProxyEntry::Kind::off) {
      if (telling) break;
      return host_error("fetching is switched off: GOPROXY" +
                        std::string(proxies.size() > 1 ? " ends with 'off'" : "=off") +
                        "; name a module proxy in GOPROXY");
    }
    if (proxy.kind == ProxyEntry::Kind::direct) {
      answer.reason += std::string(answer.reason.empty() ? "" : "; ") +
                       "'direct' fetches from version control, which sandbox-run does not do: name a module proxy in "
                       "GOPROXY that has it";
      break;
    }
    Result<ProxyAnswer> said = ask(proxy.url);
    if (said && said->found) return said;
    if (said) answer.reason = said->reason;
    if (!said) telling = said.error();  // as in cmd/go, the last error of a proxy says more than an absence
    if (!said && !proxy.fall_back_on_error) break;
  }
  if (telling) return *telling;
  return answer;
}

Result<std::string> goproxy_of_host(const std::string& goroot) {
  if (const char* list = std::getenv("GOPROXY"); list != nullptr && *list != '\0') return std::string(list);
  Result<std::string> list = goroot.empty() ? host_error("no toolchain") : ask_go(goroot + "/bin/go", goroot);
  if (!list || list->empty()) list = ask_go("go", "");
  if (!list || list->empty())
    return host_error(
        "cannot tell where to fetch modules from: GOPROXY is not set and there is no go command to ask for its "
        "default; "
        "set GOPROXY to a module proxy, or install one (apt-get install golang-go)");
  return list;
}

}  // namespace sandbox_run::fetch
