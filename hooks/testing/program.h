// FakeProgram: the other side of the ring, for tests: writes events as the hook runtime does, or as a liar would.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "hooks/ring.h"

namespace sandbox_run::hooks {

// Payload values.
inline std::string value(ValueTag tag, std::uint8_t index, const std::string& content) {
  std::string bytes = {static_cast<char>(tag), static_cast<char>(index)};
  const auto length = static_cast<std::uint16_t>(content.size());
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
  return bytes + content;
}
inline std::string text_value(std::uint8_t index, const std::string& text, std::size_t full = 0) {
  const auto length = static_cast<std::uint32_t>(full ? full : text.size());
  return value(ValueTag::text, index, std::string(reinterpret_cast<const char*>(&length), sizeof length) + text);
}
inline std::string nil_value(std::uint8_t index) { return value(ValueTag::nil, index, ""); }
inline std::string integer_value(std::uint8_t index, std::int64_t number) {
  return value(ValueTag::signed_integer, index, std::string(reinterpret_cast<const char*>(&number), sizeof number));
}

inline Slot event(SlotKind kind, std::uint64_t site, std::uint64_t time_ns, std::uint64_t goroutine,
                  std::uint64_t frame = 0, const std::string& payload = "") {
  Slot slot{};
  slot.site = site;
  slot.time_ns = time_ns;
  slot.goroutine = goroutine;
  slot.frame = frame;
  slot.kind = kind;
  slot.payload_length = static_cast<std::uint16_t>(payload.size());
  std::memcpy(slot.payload, payload.data(), std::min<std::size_t>(payload.size(), kPayloadSize));
  return slot;
}

class FakeProgram {
 public:
  FakeProgram(SharedMemory& ring, std::uint32_t slots) : ring_(ring), slots_(slots) {}

  // Returns its position. As the runtime does it: reserve, fill, commit; a full ring counts as dropped.
  std::optional<std::uint64_t> write(const Slot& slot) {
    const std::uint64_t position = ring_.load64(kReservedOffset);
    if (position - ring_.load64(kConsumedOffset) >= slots_) {
      ring_.store64(kDroppedOffset, ring_.load64(kDroppedOffset) + 1);
      return std::nullopt;
    }
    ring_.store64(kReservedOffset, position + 1);
    fill(position, slot);
    commit(position);
    return position;
  }
  std::uint64_t reserve() {
    const std::uint64_t position = ring_.load64(kReservedOffset);
    ring_.store64(kReservedOffset, position + 1);
    return position;
  }
  void fill(std::uint64_t position, const Slot& slot) {
    auto words = reinterpret_cast<const char*>(&slot);
    for (std::size_t at = sizeof slot.commit; at < sizeof slot; at += sizeof(std::uint64_t)) {
      std::uint64_t word;
      std::memcpy(&word, words + at, sizeof word);
      ring_.store64(offset(position) + at, word);
    }
  }
  void commit(std::uint64_t position) { ring_.store64(offset(position), position + 1); }
  void count(std::size_t index, std::uint64_t site, std::uint64_t times) {
    ring_.store64(kCountersOffset + index * sizeof(Counter), site);
    ring_.store64(kCountersOffset + index * sizeof(Counter) + 8, times);
  }

 private:
  std::size_t offset(std::uint64_t position) const { return kSlotsOffset + (position & (slots_ - 1)) * kSlotSize; }
  SharedMemory& ring_;
  std::uint32_t slots_;
};

}  // namespace sandbox_run::hooks
