#include "hooks/hit_ledger.h"

namespace sandbox_run::hooks {

std::optional<HookHit> HitLedger::take(const Claim& claim) {
  const auto waiting = hits_.find(claim.position);
  if (waiting == hits_.end()) {
    claims_.insert_or_assign(claim.position, claim);
    return std::nullopt;
  }
  const HookHit hit = waiting->second;
  hits_.erase(waiting);
  return hit;
}

std::optional<HitLedger::Claim> HitLedger::take(const HookHit& hit) {
  if (hit.event == 0) {  // the ring was full
    ++unclaimed_;
    return std::nullopt;
  }
  const std::uint64_t position = hit.event - 1;
  const auto waiting = claims_.find(position);
  if (waiting == claims_.end()) {
    if (hits_.size() == kMaxWaiting) {
      unclaimed_ += hits_.size();
      hits_.clear();
    }
    unclaimed_ += !hits_.emplace(position, hit).second;
    return std::nullopt;
  }
  const Claim claim = waiting->second;
  claims_.erase(waiting);
  return claim;
}

std::vector<HitLedger::Claim> HitLedger::settle() {
  std::vector<Claim> without;
  without.reserve(claims_.size());
  for (const auto& [position, claim] : claims_) without.push_back(claim);
  claims_.clear();
  return without;
}

}  // namespace sandbox_run::hooks
