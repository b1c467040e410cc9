// CancelWatch: while it lives, the first signal that ends a run calls `on_cancel` on a thread of its own. For stages
// that wait for disks and networks and have no supervision loop; launches watch the descriptor themselves.
#pragma once

#include <functional>
#include <thread>

#include "base/unique_fd.h"

namespace sandbox_run::runner {

// The first signal that waits in the descriptor, taken out of it; 0: none does.
int take_signal(int cancel_fd);

class CancelWatch {
 public:
  // `cancel_fd`: a non-blocking signalfd, borrowed; -1: nothing is watched.
  CancelWatch(int cancel_fd, std::function<void(int signal)> on_cancel);
  ~CancelWatch();  // returns when the thread has ended; a signal not yet read stays in the descriptor
  CancelWatch(const CancelWatch&) = delete;
  CancelWatch& operator=(const CancelWatch&) = delete;

 private:
  UniqueFd stop_;
  std::thread thread_;
};

}  // namespace sandbox_run::runner
