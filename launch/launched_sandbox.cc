#include "launch/launched_sandbox.h"

namespace sandbox_run::launch {

LaunchedSandbox::~LaunchedSandbox() {
  sandbox_.reset();
  if (owner_ != nullptr && !used_) owner_->used();
}

Status LaunchedSandbox::start(const Program& program, const Streams& streams, RunObserver* observer) {
  if (!sandbox_ || started_) return self_error("a sandbox is started once");
  streams_ = streams;
  observer_ = observer;
  auto released = release_program(*sandbox_, program, streams, observer);
  started_ = released.has_value();
  if (!started_) sandbox_.reset();
  if (owner_ != nullptr) owner_->used();
  used_ = true;
  TRY(start_, std::move(released));
  return {};
}

Result<Facts> LaunchedSandbox::wait(int cancel_fd) {
  if (!sandbox_ || !started_) return self_error("a sandbox is waited for once, after its start");
  auto facts = supervise(*sandbox_, streams_, start_, cancel_fd, observer_);
  scratch_ = std::move(sandbox_->scratch);
  if (owner_ != nullptr) {
    owner_->ended(std::move(sandbox_));
  } else {
    sandbox_.reset();
  }
  return facts;
}

}  // namespace sandbox_run::launch
