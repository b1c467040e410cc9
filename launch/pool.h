// Pool: sandboxes of one plan, prepared before there is a program for them. Each is used once, and only one that still
// stands paused is handed out.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "launch/host_state.h"
#include "launch/launch.h"
#include "launch/launched_sandbox.h"
#include "launch/plan.h"

namespace sandbox_run::launch {

class LocalPool final : public Pool, private SandboxOwner {
 public:
  // Fails with: Fault::self on a size out of range; Fault::host where no thread can be made.
  static Result<std::unique_ptr<LocalPool>> open(const HostState& host, const Plan& plan, const PoolSize& size);
  ~LocalPool() override;

  Result<std::unique_ptr<Sandbox>> take() override;
  unsigned prepared() const override;
  Status close() override;

 private:
  using Live = std::unique_ptr<LiveSandbox>;

  LocalPool(const HostState& host, const Plan& plan, const PoolSize& size) : host_(host), plan_(plan), size_(size) {}

  // The pool's thread.
  void work();
  Result<Live> prepare();
  static Status remove(Live sandbox);

  Result<std::unique_ptr<Sandbox>> take_locked(std::unique_lock<std::mutex>& lock);
  bool wants_one() const;
  void used() override;
  void ended(Live remains) override;

  const HostState& host_;
  const Plan plan_;
  const PoolSize size_;
  std::uint64_t serial_ = 0;                         // the thread's: of the next sandbox's id
  std::optional<namespaces::EmptyNetwork> network_;  // the thread's own, where it is shared
  std::thread thread_;

  mutable std::mutex mutex_;  // everything below
  std::condition_variable work_, changed_;
  std::deque<Live> ready_;
  std::vector<Live> remains_;
  std::optional<Error> failure_;  // of the last preparation: the next take() answers it
  Status removal_;                // the first that failed
  std::uint64_t handed_out_ = 0;
  unsigned waiting_ = 0, unused_ = 0;  // callers in take(); sandboxes handed out and not started yet
  bool closing_ = false;
};

}  // namespace sandbox_run::launch
