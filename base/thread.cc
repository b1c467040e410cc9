#include "base/thread.h"

#include <signal.h>

#include <system_error>

namespace sandbox_run {

Result<std::thread> start_thread(const std::string& purpose, std::function<void()> work) {
  // A thread begins with the mask of the one that made it.
  sigset_t every, before;
  ::sigfillset(&every);
  ::pthread_sigmask(SIG_SETMASK, &every, &before);
  Result<std::thread> started = std::thread();
  try {
    started = std::thread(std::move(work));
  } catch (const std::system_error& error) {  // std::thread has no other way to say so
    started = host_error(error.code().value(),
                         "cannot start " + purpose + " (the limits are 'ulimit -u', 'ulimit -v' and the pids cgroup)");
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace sandbox_run
