#include "hooks/ring.h"

#include <linux/fcntl.h>

#include <algorithm>
#include <cstring>

namespace sandbox_run::hooks {

Result<Ring> Ring::create(std::uint32_t slots) {
  const std::size_t size = kSlotsOffset + std::size_t{slots} * kSlotSize;
  TRY(SharedMemory memory,
      SharedMemory::create("sandbox-run-hooks-ring", size, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
  RingHeader header{kRingMagic, kRingVersion, kSlotSize, slots, kCounters};
  std::memcpy(memory.data(), &header, sizeof header);
  return Ring(std::move(memory), slots);
}

// Word by word: the program may write at the same time, and then the copy is torn but never a data race.
Slot Ring::copy(std::uint64_t position) const {
  std::uint64_t words[kSlotSize / sizeof(std::uint64_t)];
  for (std::size_t i = 0; i < std::size(words); ++i)
    words[i] = memory_.load64(offset_of(position) + i * sizeof words[0]);
  Slot slot;
  std::memcpy(&slot, words, sizeof slot);
  return slot;
}

std::uint64_t Ring::drain(std::uint64_t now_ns, const Consumer& consume) {
  std::uint64_t count = 0;
  std::uint64_t reserved = memory_.load64(kReservedOffset);
  if (reserved < consumed_) {  // reservations only grow
    ++nonsense_;
    return 0;
  }
  if (reserved - consumed_ > slots_) {  // and never reach beyond what was read: what was there is gone
    ++nonsense_;
    consumed_ = reserved - slots_;
    std::fill(handed_over_.begin(), handed_over_.end(), false);
  }
  for (std::uint64_t position = consumed_; position != reserved; ++position) {
    if (handed_over_[position & (slots_ - 1)] || memory_.load64(offset_of(position)) != position + 1) continue;
    consume(position, copy(position));
    ++count;
    handed_over_[position & (slots_ - 1)] = true;
  }
  advance(reserved, now_ns);
  return count;
}

// Gives slots back to the program, from the front.
void Ring::advance(std::uint64_t reserved, std::uint64_t now_ns) {
  const std::uint64_t before = consumed_;
  for (; consumed_ < reserved; ++consumed_) {
    auto handed_over = handed_over_[consumed_ & (slots_ - 1)];
    if (!handed_over) {
      if (consumed_ != before || front_since_ns_ == 0) front_since_ns_ = now_ns;
      if (now_ns - front_since_ns_ < kCommitPatience_ns) break;
      ++lost_;
    }
    handed_over = false;
    front_since_ns_ = 0;
  }
  if (consumed_ == reserved) front_since_ns_ = 0;
  if (consumed_ != before) memory_.store64(kConsumedOffset, consumed_);
}

void Ring::finish(std::uint64_t now_ns, const Consumer& consume) {
  drain(now_ns, consume);
  const std::uint64_t reserved = memory_.load64(kReservedOffset);
  for (; consumed_ < reserved && reserved - consumed_ <= slots_; ++consumed_)
    if (!handed_over_[consumed_ & (slots_ - 1)]) ++lost_;
}

std::uint64_t Ring::dropped() const { return memory_.load64(kDroppedOffset); }

std::vector<Counter> Ring::counters() const {
  std::vector<Counter> used;
  for (std::size_t i = 0; i < kCounters; ++i) {
    const std::size_t offset = kCountersOffset + i * sizeof(Counter);
    Counter counter{memory_.load64(offset), memory_.load64(offset + sizeof(std::uint64_t))};
    if (counter.site != 0) used.push_back(counter);
  }
  return used;
}

}  // namespace sandbox_run::hooks
