// HitLedger: the events that a program claims, held against the hooks that the kernel saw run. A hook runs before it
// commits its event, so whoever has read an event can have read its hit.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "hooks/hook_probe.h"

namespace sandbox_run::hooks {

class HitLedger {
 public:
  struct Claim {
    std::uint64_t position = 0;        // in the ring
    std::uint64_t site = 0;            // its address
    std::optional<std::size_t> event;  // index of the kept event it is, or ends
    bool is_end = false;
  };

  // The claim's hit, where that is already there.
  std::optional<HookHit> take(const Claim& claim);
  // The hit's claim, likewise.
  std::optional<Claim> take(const HookHit& hit);

  // All hits of the claims taken so far have been handed over: the claims that have none.
  std::vector<Claim> settle();

  // At the end: hits that no event was made of.
  std::uint64_t unclaimed() const { return unclaimed_ + hits_.size(); }

  // Hits wait for their event at most this many at a time: whoever makes up more is only counted.
  static constexpr std::size_t kMaxWaiting = 1 << 16;

 private:
  std::unordered_map<std::uint64_t, Claim> claims_;  // by position
  std::unordered_map<std::uint64_t, HookHit> hits_;
  std::uint64_t unclaimed_ = 0;
};

}  // namespace sandbox_run::hooks
