// LaunchedSandbox: a Sandbox of this host, of its own or of a pool.
#pragma once

#include <chrono>
#include <memory>

#include "launch/live_sandbox.h"

namespace sandbox_run::launch {

// Where a pool's sandboxes report. Thread: whichever uses the sandbox.
class SandboxOwner {
 public:
  virtual ~SandboxOwner() = default;
  virtual void used() = 0;  // once each: it was started, or given up without
  // Everything of the run is dead and counted; what is left to remove.
  virtual void ended(std::unique_ptr<LiveSandbox> remains) = 0;
};

class LaunchedSandbox final : public Sandbox {
 public:
  // `owner`: nullptr for a sandbox of its own.
  explicit LaunchedSandbox(std::unique_ptr<LiveSandbox> sandbox, SandboxOwner* owner = nullptr)
      : sandbox_(std::move(sandbox)), owner_(owner) {}
  ~LaunchedSandbox() override;

  Status start(const Program& program, const Streams& streams, RunObserver* observer) override;
  Result<Facts> wait(int cancel_fd) override;
  int scratch() const override { return scratch_.get(); }

 private:
  std::unique_ptr<LiveSandbox> sandbox_;
  SandboxOwner* owner_;
  UniqueFd scratch_;
  Streams streams_;
  RunObserver* observer_ = nullptr;
  std::chrono::steady_clock::time_point start_;
  bool used_ = false, started_ = false;
};

}  // namespace sandbox_run::launch
