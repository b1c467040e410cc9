// UrlTransport: file:// by our own reader, https:// through the helper sandbox-run-fetch; nothing else.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "fetch/transport.h"

namespace sandbox_run::fetch {

struct TransportOptions {
  std::string helper;                          // sandbox-run-fetch; empty: ../libexec beside this program
  int attempts = 4;                            // for what may pass: timeouts, broken connections, 429 and 5xx
  std::chrono::milliseconds first_delay{400};  // before the second attempt; it doubles after that
};

// The helper is started at the first https URL and lives as long as the transport.
// Thread: one at a time.
std::unique_ptr<Transport> make_transport(TransportOptions options = {});

}  // namespace sandbox_run::fetch
