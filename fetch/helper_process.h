// HelperProcess: a running sandbox-run-fetch and the socket to it. The destructor kills and reaps it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "fetch/wire.h"

namespace sandbox_run::fetch {

class HelperProcess {
 public:
  // `program`: absolute path of sandbox-run-fetch. It gets an environment of proxies and certificates only.
  static Result<HelperProcess> start(const std::string& program);
  HelperProcess(HelperProcess&& other) noexcept;
  HelperProcess& operator=(HelperProcess&& other) noexcept;
  ~HelperProcess();

  Status send(wire::Frame type, std::string_view payload);

  struct Received {
    wire::Frame type;
    std::string payload;
  };
  // Fails with: Fault::host where the helper ended, is silent until `deadline`, or breaks the protocol.
  Result<Received> receive(std::chrono::steady_clock::time_point deadline);

 private:
  HelperProcess() = default;
  void end();
  Status read_exactly(char* buffer, std::size_t size, std::chrono::steady_clock::time_point deadline);
  pid_t pid_ = -1;
  UniqueFd socket_;
};

}  // namespace sandbox_run::fetch
