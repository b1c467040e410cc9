// CancelWatch: while it lives, the first signal that ends a run calls `on_cancel` on a thread of its own. For stages
// that wait for disks and networks and have no supervision loop; launches watch the descriptor themselves.
#pragma once

#include <functional>
#include <thread>

#include "base/result.h"
#include "base/unique_fd.h"

namespace sandbox_run::runner {

class CancelWatch {
 public:
  // `cancel_fd`: a non-blocking signalfd, borrowed; -1: nothing is watched.
  // Fails with: Fault::host where the host gives no descriptor or no thread: nobody could end such a stage.
  static Result<CancelWatch> start(int cancel_fd, std::function<void(int signal)> on_cancel);
  CancelWatch(CancelWatch&&) = default;
  CancelWatch& operator=(CancelWatch&&) = delete;
  ~CancelWatch();  // returns when the thread has ended; a signal not yet read stays in the descriptor

 private:
  CancelWatch() = default;
  UniqueFd stop_;
  std::thread thread_;
};

}  // namespace sandbox_run::runner
