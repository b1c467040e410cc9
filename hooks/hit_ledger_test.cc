#include "hooks/hit_ledger.h"

#include <gtest/gtest.h>

namespace sandbox_run::hooks {
namespace {

HitLedger::Claim claim(std::uint64_t position) { return {position, 0x500000, std::nullopt, false}; }
HookHit hit(std::uint64_t event) { return {.site = 0x500000, .event = event}; }

TEST(HitLedger, AClaimAndItsHitMeetWhicheverComesFirst) {
  HitLedger ledger;
  EXPECT_FALSE(ledger.take(claim(0)));
  ASSERT_TRUE(ledger.take(hit(1)));
  EXPECT_FALSE(ledger.take(hit(2)));
  ASSERT_TRUE(ledger.take(claim(1)));
  EXPECT_TRUE(ledger.settle().empty());
  EXPECT_EQ(ledger.unclaimed(), 0u);
}

TEST(HitLedger, ClaimsWithoutAHitAreNamedOnce) {
  HitLedger ledger;
  ledger.take(claim(7));
  const auto without = ledger.settle();
  ASSERT_EQ(without.size(), 1u);
  EXPECT_EQ(without[0].position, 7u);
  EXPECT_TRUE(ledger.settle().empty());
}

TEST(HitLedger, AHitStandsForOneClaimOnly) {
  HitLedger ledger;
  ledger.take(hit(1));
  EXPECT_TRUE(ledger.take(claim(0)));
  EXPECT_FALSE(ledger.take(claim(0)));
  EXPECT_EQ(ledger.settle().size(), 1u);
}

TEST(HitLedger, HitsOfNoEventAreCountedAndTakeBoundedRoom) {
  HitLedger ledger;
  ledger.take(hit(0));  // dropped by the program
  EXPECT_EQ(ledger.unclaimed(), 1u);
  constexpr std::uint64_t kMany = 3 * HitLedger::kMaxWaiting;
  for (std::uint64_t event = 1; event <= kMany; ++event) ledger.take(hit(event));
  EXPECT_EQ(ledger.unclaimed(), kMany + 1);
  EXPECT_TRUE(ledger.take(claim(kMany - 1))) << "the newest still wait";
}

}  // namespace
}  // namespace sandbox_run::hooks
