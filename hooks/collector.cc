#include "hooks/collector.h"

#include <fmt/format.h>

#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/thread.h"
#include "hooks/clock.h"
#include "hooks/control_socket.h"
#include "hooks/joiner.h"
#include "hooks/near_name.h"

namespace sandbox_run::hooks {
namespace {

using nlohmann::ordered_json;

constexpr int kDrainInterval_ms = 4;

std::string line(const ordered_json& json) { return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace); }
std::string refusal(const std::string& why) { return line({{"ok", false}, {"error", why}}); }

class ThreadedCollector final : public Collector {
 public:
  ThreadedCollector(CollectorOptions options, RuleSet rules, Sites sites, ControlPage control, Ring ring)
      : rules_(std::move(rules)),
        control_(std::move(control)),
        ring_(std::move(ring)),
        joiner_(rules_, std::move(sites),
                {.max_events = options.max_events,
                 .witnessed_calls = std::move(options.witnessed_calls),
                 .start_ns = monotonic_ns()}) {}

  ~ThreadedCollector() override { stop(); }

  Status run(const std::string& socket_path) {
    if (!socket_path.empty()) {
      TRY(ControlSocket socket,
          ControlSocket::listen(
              socket_path, [this](const ControlRequest& request, std::uint32_t uid) { return answer(request, uid); }));
      socket_.emplace(std::move(socket));
    }
    TRY(thread_, start_thread("the thread that reads the trace", [this] { serve(); }));
    return {};
  }

  int control_fd() const override { return control_.fd(); }
  int ring_fd() const override { return ring_.fd(); }

  JoinVerdict witness(const WitnessedCall& call) override {
    const auto lock = take_turn();
    drain();
    return joiner_.witness(call);
  }

  void begin(std::optional<HookProbe> hooks, std::optional<CallProbe> calls) override {
    const auto lock = take_turn();
    if (hooks) hook_probe_.emplace(std::move(*hooks));
    if (calls) call_probe_.emplace(std::move(*calls));
    joiner_.begin(monotonic_ns(), hook_probe_.has_value());
  }

  Trace finish() override {
    stop();
    socket_.reset();
    std::lock_guard lock(mutex_);
    ring_.finish(monotonic_ns(), consumer());
    joiner_.set_losses(ring_.dropped(), ring_.lost(), ring_.nonsense());
    drain_hits();
    if (call_probe_)
      if (const auto counts = call_probe_->read()) joiner_.set_begun(*counts, call_probe_->lost());
    return joiner_.finish(ring_.counters(), monotonic_ns());
  }

 private:
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  // The supervisor's thread and ours come in turn: a ring that the program keeps full would keep the lock with us, and
  // the supervisor, which has clocks to look at, would wait for as long.
  std::unique_lock<std::mutex> take_turn() {
    const std::lock_guard next(next_);
    return std::unique_lock(mutex_);
  }

  void serve() {
    int pause_ms = kDrainInterval_ms;
    while (!stopping_) {
      if (socket_) {
        socket_->serve(pause_ms);
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
      }
      const auto lock = take_turn();
      // A ring that fills this fast would be full before the next round.
      pause_ms = drain() > ring_.slots() / 16 ? 0 : kDrainInterval_ms;
    }
  }

  Ring::Consumer consumer() {
    return [this](std::uint64_t position, const Slot& slot) {
      // The clock is read again only for an event that is younger than the last reading.
      if (slot.time_ns > now_ns_) now_ns_ = monotonic_ns();
      joiner_.take(position, slot, now_ns_);
    };
  }

  // REQUIRES: mutex_.
  std::uint64_t drain() {
    now_ns_ = monotonic_ns();
    const std::uint64_t count = ring_.drain(now_ns_, consumer());
    joiner_.set_losses(ring_.dropped(), ring_.lost(), ring_.nonsense());
    drain_hits();
    return count;
  }

  // After the ring: the hits of what was read there are all in it, unless a processor has not finished writing one.
  void drain_hits() {
    if (!hook_probe_) return;
    if (hook_probe_->drain([this](const HookHit& hit) { joiner_.hit(hit); }))
      joiner_.settle_hits(hook_probe_->counted(), hook_probe_->lost());
  }

  // On the collector's thread, without the lock.
  std::string answer(const ControlRequest& request, std::uint32_t uid) {
    switch (request.kind) {
      case ControlRequest::Kind::attach:
        return switch_rule(request.rule, true, uid);
      case ControlRequest::Kind::detach:
        return switch_rule(request.rule, false, uid);
      case ControlRequest::Kind::reload:
        return reload(request, uid);
      case ControlRequest::Kind::list:
        return list();
    }
    return refusal("unknown request");
  }

  std::string switch_rule(const std::string& name, bool active, std::uint32_t uid) {
    std::lock_guard lock(mutex_);
    const Rule* rule = rules_.find(name);
    if (!rule) {
      std::vector<std::string> names;
      for (const Rule& one : rules_.rules) names.push_back(one.name);
      return refusal(fmt::format("no hook of rule '{}' is in the program: add it to the rules and rebuild{}", name,
                                 near_name(name, names)));
    }
    set_active(rule->index, active);
    note(active ? "attach" : "detach", rule->name, uid);
    return line({{"ok", true}, {"rule", rule->name}, {"active", active}});
  }

  std::string reload(const ControlRequest& request, std::uint32_t uid) {
    auto wanted = parse_rules(request.text, request.name);
    if (!wanted) return refusal(wanted.error().what);
    auto rules = for_reload(rules_, std::move(*wanted));
    if (!rules) return refusal(rules.error().what);
    std::lock_guard lock(mutex_);
    rules_ = std::move(*rules);
    control_.publish(rules_);
    joiner_.set_rules(rules_);
    for (const Rule& rule : rules_.rules) set_active(rule.index, rule.active);
    note("reload", "", uid);
    return line({{"ok", true}, {"rules", rules_.rules.size()}});
  }

  std::string list() {
    std::lock_guard lock(mutex_);
    ordered_json rules = ordered_json::array();
    for (const Rule& rule : rules_.rules)
      rules.push_back({{"name", rule.name}, {"active", control_.active(rule.index)}, {"at", text_of(rule.position)}});
    return line({{"ok", true}, {"rules", rules}});
  }

  // REQUIRES: mutex_.
  void set_active(std::uint32_t rule, bool active) {
    control_.set_active(rule, active);
    joiner_.set_active(rule, active, monotonic_ns());
  }
  void note(const std::string& action, const std::string& rule, std::uint32_t uid) {
    joiner_.note_change({monotonic_ns(), action, rule, uid});
  }

  std::mutex next_;   // held while mutex_ is waited for
  std::mutex mutex_;  // of all that follows up to the thread; rules_ is written by the thread alone
  RuleSet rules_;
  ControlPage control_;
  Ring ring_;
  Joiner joiner_;
  std::optional<HookProbe> hook_probe_;
  std::optional<CallProbe> call_probe_;
  std::uint64_t now_ns_ = 0;
  std::optional<ControlSocket> socket_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Collector>> Collector::start(CollectorOptions options, RuleSet rules, Sites sites,
                                                    ControlPage control, Ring ring) {
  const std::string socket_path = options.control_socket;
  auto collector = std::make_unique<ThreadedCollector>(std::move(options), std::move(rules), std::move(sites),
                                                       std::move(control), std::move(ring));
  TRY_STATUS(collector->run(socket_path));
  return std::unique_ptr<Collector>(std::move(collector));
}

}  // namespace sandbox_run::hooks
