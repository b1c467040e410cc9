// HelperProcess: a running sandbox-run-fetch and the socket to it. It ends with this.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/child_process.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "fetch/wire.h"

namespace sandbox_run::fetch {

class HelperProcess {
 public:
  // `program`: absolute path of sandbox-run-fetch. It gets an environment of proxies and certificates only.
  static Result<HelperProcess> start(const std::string& program);

  Status send(wire::Frame type, std::string_view payload);

  struct Received {
    wire::Frame type;
    std::string payload;
  };
  // Fails with: Fault::host where the helper ended, is silent until `deadline`, or breaks the protocol.
  Result<Received> receive(std::chrono::steady_clock::time_point deadline);

 private:
  HelperProcess(ChildProcess process, UniqueFd socket) : process_(std::move(process)), socket_(std::move(socket)) {}
  Status read_exactly(char* buffer, std::size_t size, std::chrono::steady_clock::time_point deadline);
  ChildProcess process_;
  UniqueFd socket_;
};

}  // namespace sandbox_run::fetch
