#include "runner/cancel_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/thread.h"

namespace sandbox_run::runner {
namespace {

void watch(int cancel_fd, int stop_fd, const std::function<void(int)>& on_cancel) {
  for (;;) {
    pollfd fds[2] = {{stop_fd, POLLIN, 0}, {cancel_fd, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[0].revents != 0) return;
    if ((fds[1].revents & POLLIN) == 0) continue;
    signalfd_siginfo info{};
    if (::read(cancel_fd, &info, sizeof info) == sizeof info) {
      on_cancel(static_cast<int>(info.ssi_signo));
      return;
    }
  }
}

}  // namespace

Result<CancelWatch> CancelWatch::start(int cancel_fd, std::function<void(int signal)> on_cancel) {
  CancelWatch self;
  if (cancel_fd < 0) return self;
  self.stop_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!self.stop_) return host_error(errno, "cannot make the descriptor that ends the watch for signals");
  TRY(self.thread_, start_thread("the thread that watches for signals",
                                 [cancel_fd, stop = self.stop_.get(), call = std::move(on_cancel)] {
                                   watch(cancel_fd, stop, call);
                                 }));
  return self;
}

CancelWatch::~CancelWatch() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  // An eventfd at 0 takes a 1 without blocking.
  [[maybe_unused]] ssize_t written = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

}  // namespace sandbox_run::runner
