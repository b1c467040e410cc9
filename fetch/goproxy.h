// Goproxy: a GOPROXY list and what its separators mean. Source: `go help goproxy`, cmd/go/internal/modfetch/proxy.go.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace sandbox_run::fetch {

struct ProxyEntry {
  enum class Kind { url, off, direct };
  Kind kind = Kind::url;
  std::string url;                  // without a trailing '/'
  bool fall_back_on_error = false;  // followed by '|': any error leads on to the next; else only 404 and 410 do
};

// "https://a,https://b|direct". What follows `off` or `direct` is never reached and dropped.
// Fails with: Fault::input where no entry is left, or where one is neither https:// nor file:// (a bare host means
// https).
Result<std::vector<ProxyEntry>> parse_goproxy(const std::string& list);

// What one entry said.
struct ProxyAnswer {
  bool found = false;
  std::string reason;  // why not
};

// Asks entry after entry as the list's separators say. found == false: every one that was asked says there is no such
// thing. `direct` is answered for here: there is no version control behind us, so it knows nothing, and says so.
// Fails with: the most telling error of those asked; Fault::host for `off`.
Result<ProxyAnswer> ask_proxies(const std::vector<ProxyEntry>& proxies,
                                const std::function<Result<ProxyAnswer>(const std::string& url)>& ask);

// The environment's GOPROXY, else what `go env GOPROXY` of `goroot` says, else that of the first go on PATH.
// Fails with: Fault::host where there is neither; it says what to set or install.
Result<std::string> goproxy_of_host(const std::string& goroot);

}  // namespace sandbox_run::fetch
