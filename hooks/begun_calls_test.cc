#include "hooks/begun_calls.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

namespace sandbox_run::hooks {
namespace {

Sites go_program() {
  Sites sites;
  sites.system_call_returns = {0x401000, 0x402000};
  sites.runtime_calls = {{0x403000, SYS_futex}};
  sites.hook_call_returns = {0x404000};
  return sites;
}

CallMaker maker(std::int64_t number, std::uint64_t instruction_pointer) {
  const auto places = places_of({{number, instruction_pointer, 1}}, go_program());
  return places.at(0).maker;
}

TEST(BegunCalls, AreTheirsWhoseInstructionItIs) {
  EXPECT_EQ(maker(SYS_write, 0x402000), CallMaker::program);
  EXPECT_EQ(maker(SYS_futex, 0x403000), CallMaker::runtime);
  EXPECT_EQ(maker(SYS_mmap, 0x404000), CallMaker::hooks);
  EXPECT_EQ(maker(SYS_write, 0x402001), CallMaker::own);
  EXPECT_EQ(maker(SYS_write, 0x403000), CallMaker::own) << "the runtime's instruction, for another call";
}

TEST(BegunCalls, OfTheVdsoAreTheKernelsAndNoOthersFromThere) {
  EXPECT_EQ(maker(SYS_clock_gettime, 0x7fff'1234'5678), CallMaker::kernel);
  EXPECT_EQ(maker(SYS_write, 0x7fff'1234'5678), CallMaker::own);
  EXPECT_EQ(maker(SYS_clock_gettime, 0x409000), CallMaker::own);
  EXPECT_EQ(maker(336, 0x3ff00d), CallMaker::kernel) << "the probe's own way into the kernel";
}

TEST(BegunCalls, LeaveOutTheExecOfTheLaunchAlone) {
  EXPECT_TRUE(places_of({{SYS_execveat, 0x7000, 1}}, go_program()).empty());
  const auto again = places_of({{SYS_execveat, 0x7000, 1}, {SYS_execveat, 0x409000, 2}}, go_program());
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].count, 2u);
}

TEST(BegunCalls, AreInOrderOfTheirNumber) {
  const auto places = places_of({{SYS_read, 0x402000, 3}, {SYS_write, 0x401000, 9}, {1000, 1, 3}}, go_program());
  ASSERT_EQ(places.size(), 3u);
  EXPECT_EQ(places[0].number, SYS_write);
  EXPECT_EQ(places[1].number, SYS_read);
  const BegunCalls begun{places, 5};
  EXPECT_EQ(begun.count(), 20u);
  EXPECT_EQ(begun.count_by(CallMaker::program), 12u);
  EXPECT_EQ(begun.count_by(CallMaker::own), 3u);
}

}  // namespace
}  // namespace sandbox_run::hooks
