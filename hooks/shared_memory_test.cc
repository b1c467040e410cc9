// The two memory files as the program sees them: what it can map, write and resize; and the protocol on them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <regex>

#include "base/testing.h"
#include "hooks/control_page.h"
#include "hooks/ring.h"
#include "hooks/testing/program.h"

namespace sandbox_run::hooks {
namespace {

using testing::ElementsAre;

RuleSet rules_with(const std::string& when) {
  auto rules = parse_rules("version: 1\nrules:\n- {name: a, at: f, do: record, when: " + when +
                               "}\n- {name: b, at: g, do: record, active: false}\n",
                           "rules.yaml");
  EXPECT_TRUE(rules) << rules.error().what;
  return *rules;
}

TEST(ControlPage, TheProgramCanReadItAndNothingElse) {
  ASSERT_OK_AND_ASSIGN(ControlPage page, ControlPage::create(rules_with("{argument: x, is: 1}")));
  EXPECT_EQ(::mmap(nullptr, kControlSize, PROT_READ | PROT_WRITE, MAP_SHARED, page.fd(), 0), MAP_FAILED);
  void* shared = ::mmap(nullptr, kControlSize, PROT_READ, MAP_SHARED, page.fd(), 0);
  ASSERT_NE(shared, MAP_FAILED) << "the control: it can be read";
  EXPECT_NE(::mprotect(shared, kControlSize, PROT_READ | PROT_WRITE), 0);
  std::uint32_t zero = 0;
  EXPECT_LT(::pwrite(page.fd(), &zero, sizeof zero, kFlagsOffset), 0);
  EXPECT_NE(::ftruncate(page.fd(), 0), 0);
  EXPECT_NE(::fallocate(page.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
  EXPECT_NE(::fcntl(page.fd(), F_ADD_SEALS, F_SEAL_WRITE), 0) << "or it could keep the supervisor from writing";

  auto flags = reinterpret_cast<const volatile std::uint32_t*>(static_cast<char*>(shared) + kFlagsOffset);
  EXPECT_EQ(flags[0], 1u);
  EXPECT_EQ(flags[1], 0u);
  page.set_active(1, true);
  page.set_active(0, false);
  EXPECT_EQ(flags[0], 0u) << "seen through the program's own mapping";
  EXPECT_EQ(flags[1], 1u);
  ::munmap(shared, kControlSize);
}

TEST(ControlPage, APublicationIsAnnouncedBeforeItOverwritesWhatMayStillBeRead) {
  ASSERT_OK_AND_ASSIGN(ControlPage page, ControlPage::create(rules_with("{argument: x, is: 1}")));
  auto epoch = [&] { return page.memory().load32(offsetof(ControlHeader, epoch)); };
  auto arena = [&](std::uint32_t at) {
    return std::string(reinterpret_cast<const char*>(page.memory().data()) + kArenaOffset[at & 1], 4096);
  };
  ControlHeader header;
  std::memcpy(&header, page.memory().data(), sizeof header);
  EXPECT_EQ(header.magic, kControlMagic);
  EXPECT_EQ(header.rule_count, 2u);
  EXPECT_EQ(header.size, kControlSize);
  const std::uint32_t first = epoch();
  const std::string before = arena(first);
  RuleSet next = rules_with("{argument: x, is: 2}");
  page.publish(next);
  const std::uint32_t second = epoch();
  EXPECT_EQ((second - first) & 1, 1u) << "the other arena is in force";
  EXPECT_GE(second - first, 2u) << "whoever still reads the arena of the publication before the last starts over";
  EXPECT_EQ(arena(first), before) << "what a reader may be in the middle of stays as it is";
  EXPECT_EQ(arena(second).substr(0, next.arena.size()), next.arena);
}

class RingTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kSlots = 64;
  void SetUp() override {
    auto ring = Ring::create(kSlots);
    ASSERT_TRUE(ring) << ring.error().what;
    ring_.emplace(std::move(*ring));
    program_.emplace(ring_->memory(), kSlots);
  }
  std::vector<std::uint64_t> drain(std::uint64_t now_ns) {
    std::vector<std::uint64_t> sites;
    ring_->drain(now_ns, [&](std::uint64_t, const Slot& slot) { sites.push_back(slot.site); });
    return sites;
  }
  static Slot numbered(std::uint64_t site) { return event(SlotKind::point, site, 1, 1); }

  std::optional<Ring> ring_;
  std::optional<FakeProgram> program_;
};

TEST_F(RingTest, SlotsComeOnceAndInOrderAndMakeRoomAgain) {
  for (std::uint64_t round = 0; round < 10; ++round) {
    for (std::uint64_t i = 0; i < kSlots; ++i) ASSERT_TRUE(program_->write(numbered(round * kSlots + i)));
    EXPECT_FALSE(program_->write(numbered(0))) << "the ring is full";
    auto sites = drain(1);
    ASSERT_EQ(sites.size(), kSlots);
    for (std::uint64_t i = 0; i < kSlots; ++i) EXPECT_EQ(sites[i], round * kSlots + i);
    EXPECT_TRUE(drain(1).empty());
  }
  EXPECT_EQ(ring_->dropped(), 10u);
  EXPECT_EQ(ring_->lost(), 0u);
}

TEST_F(RingTest, ASlotBeingWrittenHoldsUpNobodyAndIsLostAfterAWhile) {
  program_->write(numbered(1));
  const std::uint64_t slow = program_->reserve();
  program_->write(numbered(3));
  EXPECT_THAT(drain(1'000), ElementsAre(1, 3));
  EXPECT_TRUE(drain(50'000'000).empty());
  program_->fill(slow, numbered(2));
  program_->commit(slow);
  EXPECT_THAT(drain(60'000'000), ElementsAre(2)) << "late, but not lost";
  program_->reserve();
  program_->write(numbered(5));
  EXPECT_THAT(drain(100'000'000), ElementsAre(5));
  EXPECT_TRUE(drain(150'000'000).empty());
  EXPECT_EQ(ring_->lost(), 0u);
  EXPECT_TRUE(drain(200'000'001).empty());
  EXPECT_EQ(ring_->lost(), 1u);
  program_->write(numbered(6));
  EXPECT_THAT(drain(200'000'002), ElementsAre(6));
}

TEST_F(RingTest, WhatIsNeverCommittedIsLostAtTheEnd) {
  program_->reserve();
  program_->write(numbered(2));
  program_->reserve();
  std::vector<std::uint64_t> sites;
  ring_->finish(1, [&](std::uint64_t, const Slot& slot) { sites.push_back(slot.site); });
  EXPECT_THAT(sites, ElementsAre(2));
  EXPECT_EQ(ring_->lost(), 2u);
}

TEST_F(RingTest, APositionThatCannotBeIsCountedAndBoundsNothing) {
  program_->write(numbered(1));
  drain(1);
  for (std::uint64_t position : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{5}}) {
    ring_->memory().store64(kReservedOffset, position);
    EXPECT_LE(drain(1).size(), kSlots);
  }
  EXPECT_GE(ring_->nonsense(), 2u);
  ring_->memory().store64(kReservedOffset, ~std::uint64_t{0});
  ring_->finish(1, [](std::uint64_t, const Slot&) {});
}

TEST_F(RingTest, CountersAreThoseInUse) {
  program_->count(7, 0x1234, 99);
  auto counters = ring_->counters();
  ASSERT_EQ(counters.size(), 1u);
  EXPECT_EQ(counters[0].site, 0x1234u);
  EXPECT_EQ(counters[0].count, 99u);
}

TEST_F(RingTest, ItCannotBeResized) {
  EXPECT_NE(::ftruncate(ring_->fd(), 0), 0);
  EXPECT_NE(::ftruncate(ring_->fd(), 1 << 30), 0);
  void* shared = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring_->fd(), 0);
  EXPECT_NE(shared, MAP_FAILED) << "the control: the program can write events";
  ::munmap(shared, 4096);
}

TEST_F(RingTest, ItsPagesAreTheSupervisorsFromTheStart) {
  struct stat info {};
  ASSERT_EQ(::fstat(ring_->fd(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, info.st_size) << "every page is there: none is charged to whoever touches it later";
}

}  // namespace
}  // namespace sandbox_run::hooks
