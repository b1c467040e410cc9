#include "hooks/control_page.h"

#include <linux/fcntl.h>

#include <atomic>
#include <cstring>

namespace sandbox_run::hooks {
namespace {

constexpr std::size_t kEpochOffset = offsetof(ControlHeader, epoch);

}  // namespace

Result<ControlPage> ControlPage::create(const RuleSet& rules) {
  TRY(SharedMemory memory, SharedMemory::create("sandbox-run-hooks-control", kControlSize,
                                                F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
  ControlPage page(std::move(memory));
  ControlHeader header{kControlMagic, kControlVersion, static_cast<std::uint32_t>(rules.rules.size()), kControlSize, 0};
  std::memcpy(page.memory_.data(), &header, sizeof header);
  page.publish(rules);
  for (const Rule& rule : rules.rules) page.set_active(rule.index, rule.active);
  return page;
}

// A hook that began under epoch e reads arena e&1 and starts over if the epoch has moved by two or more since. So
// before the arena that is not in force is overwritten, the epoch moves by two, which changes nothing but tells whoever
// still reads there; then by one, which puts the new content in force.
void ControlPage::publish(const RuleSet& rules) {
  const std::uint32_t epoch = memory_.load32(kEpochOffset) + 2;
  memory_.store32(kEpochOffset, epoch);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::memcpy(memory_.data() + kArenaOffset[(epoch + 1) & 1], rules.arena.data(), rules.arena.size());
  std::atomic_thread_fence(std::memory_order_seq_cst);
  memory_.store32(kEpochOffset, epoch + 1);
}

void ControlPage::set_active(std::uint32_t rule, bool active) {
  memory_.store32(kFlagsOffset + rule * sizeof(std::uint32_t), active);
}

bool ControlPage::active(std::uint32_t rule) const {
  return memory_.load32(kFlagsOffset + rule * sizeof(std::uint32_t)) != 0;
}

}  // namespace sandbox_run::hooks
