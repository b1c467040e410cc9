// Theory of operation. A pool has one thread, which does what need not be done while somebody waits: it prepares, and
// it removes what ended runs left behind (groups, mounts, descriptors). Removing goes first: it is short, and what it
// gives back (ids, descriptors) the next preparation needs. Preparing waits while a sandbox that was handed out has not
// been started: the two would be in each other's way, and the start is what somebody waits for. So the next sandbox is
// prepared beside the program that runs.
//
// The thread must live as long as its sandboxes do: each dies with the thread that cloned it (PR_SET_PDEATHSIG). That
// the process has two threads by then is no obstacle to a clone with CLONE_NEWUSER: it is unshare(2) that needs a
// single thread (user_namespaces(7)), and Host::open() has done that without root before any pool can be.
//
// A shared network namespace is the thread's own: it moves into a new one before it prepares anything, and what it
// clones without CLONE_NEWNET is in there with it. The rest of the process stays in the host's. It belongs to the user
// namespace of the supervisor, and a sandbox's processes hold capabilities in a namespace below at most.
#include "launch/pool.h"

#include <fmt/format.h>

#include "base/thread.h"
#include "launch/script.h"

namespace sandbox_run::launch {
namespace {

constexpr unsigned kMostAhead = IdentitySlot::kMost / 2;  // the rest is for those that run and those that are removed

}  // namespace

Result<std::unique_ptr<LocalPool>> LocalPool::open(const HostState& host, const Plan& plan, const PoolSize& size) {
  if (size.ahead < 1 || size.ahead > kMostAhead || size.total < 1)
    return self_error(fmt::format("a pool prepares from 1 to {} sandboxes ahead, not {}", kMostAhead, size.ahead));
  std::unique_ptr<LocalPool> pool(new LocalPool(host, plan, size));
  TRY(pool->thread_, start_thread("the thread that prepares sandboxes", [self = pool.get()] { self->work(); }));
  return pool;
}

LocalPool::~LocalPool() { (void)close(); }

Status LocalPool::close() {
  if (!thread_.joinable()) return removal_;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_.notify_one();
  changed_.notify_all();
  thread_.join();
  return removal_;
}

Result<std::unique_ptr<Sandbox>> LocalPool::take() {
  std::unique_lock lock(mutex_);
  ++waiting_;
  auto taken = take_locked(lock);
  --waiting_;
  return taken;
}

Result<std::unique_ptr<Sandbox>> LocalPool::take_locked(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    if (closing_ || handed_out_ == size_.total) return self_error("the pool is closed, or has given all it was for");
    while (!ready_.empty()) {
      Live sandbox = std::move(ready_.front());
      ready_.pop_front();
      if (is_paused(*sandbox)) {
        ++handed_out_;
        ++unused_;
        SandboxOwner* owner = this;
        return std::unique_ptr<Sandbox>(std::make_unique<LaunchedSandbox>(std::move(sandbox), owner));
      }
      remains_.push_back(std::move(sandbox));  // it died while it waited
      work_.notify_one();
    }
    if (failure_) {
      Error error = std::move(*failure_);
      failure_.reset();
      return error;
    }
    work_.notify_one();
    changed_.wait(lock);
  }
}

unsigned LocalPool::prepared() const {
  const std::lock_guard lock(mutex_);
  return static_cast<unsigned>(ready_.size());
}

void LocalPool::used() {
  const std::lock_guard lock(mutex_);
  --unused_;
  if (wants_one()) work_.notify_one();
}

void LocalPool::ended(Live remains) {
  const std::lock_guard lock(mutex_);
  remains_.push_back(std::move(remains));
  work_.notify_one();
}

bool LocalPool::wants_one() const {
  if (closing_ || failure_ || handed_out_ + ready_.size() >= size_.total) return false;
  if (waiting_ > ready_.size()) return true;
  return ready_.size() < size_.ahead && unused_ == 0;
}

void LocalPool::work() {
  // Where it cannot be had, every sandbox has a fresh one, which is more.
  if (host_.is_root && shares_network(plan_))
    if (auto entered = namespaces::EmptyNetwork::enter()) network_ = std::move(entered).value();
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [&] { return closing_ || !remains_.empty() || wants_one(); });
    if (closing_)
      for (; !ready_.empty(); ready_.pop_front()) remains_.push_back(std::move(ready_.front()));
    if (!remains_.empty()) {
      std::vector<Live> remains = std::move(remains_);
      remains_.clear();
      lock.unlock();
      Status removed;
      for (Live& sandbox : remains)
        if (auto status = remove(std::move(sandbox)); !status && removed) removed = std::move(status);
      lock.lock();
      if (!removed && removal_) removal_ = std::move(removed);
      continue;
    }
    if (closing_) return;
    lock.unlock();
    auto prepared = prepare();
    lock.lock();
    if (prepared) {
      ready_.push_back(std::move(prepared).value());
    } else {
      failure_ = std::move(prepared).error();
    }
    changed_.notify_all();
  }
}

Result<LocalPool::Live> LocalPool::prepare() {
  Plan plan = plan_;
  plan.id = fmt::format("{}-{}", plan_.id, ++serial_);
  const PoolMembership membership{network_ ? &*network_ : nullptr};
  auto sandbox = prepare_sandbox(host_, plan, nullptr, &membership);
  if (sandbox || !network_) return sandbox;
  // Somebody of the host may have configured what is shared. A fresh one needs nobody's restraint.
  network_.reset();
  plan.id += "-fresh";
  const PoolMembership alone;
  return prepare_sandbox(host_, plan, nullptr, &alone);
}

Status LocalPool::remove(Live sandbox) {
  sandbox->init = Pidfd();
  if (!sandbox->cgroup) return {};
  TRY_STATUS(sandbox->cgroup->kill());
  return sandbox->cgroup->remove();
}

}  // namespace sandbox_run::launch
