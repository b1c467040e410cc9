// The kernel's probes, on this process and its children: they take root and a kernel that has them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/testing.h"
#include "base/unique_fd.h"
#include "hooks/call_probe.h"
#include "hooks/clock.h"
#include "hooks/hook_probe.h"
#include "hooks/testing/elf_image.h"

// As the hook runtime has it: two words in two registers, then the place of the probe.
extern "C" void probes_test_ran(std::uint64_t site, std::uint64_t event);
asm(R"(
.text
.globl probes_test_ran
.type probes_test_ran, @function
probes_test_ran:
  push %rbx
  mov %rdi, %rax
  mov %rsi, %rbx
.globl probes_test_nop
probes_test_nop:
  .byte 0x0f, 0x1f, 0x44, 0x00, 0x00
  pop %rbx
  ret
.size probes_test_ran, . - probes_test_ran
)");

namespace sandbox_run::hooks {
namespace {

// runtime/system_amd64.s, ran, as Go's assembler makes it.
const std::string kRan("\x48\x8b\x44\x24\x08\x48\x8b\x5c\x24\x10\x0f\x1f\x44\x00\x00\xc3", 16);

Result<std::optional<std::uint64_t>> place_in(const ElfImage& elf) {
  const std::string bytes = elf.bytes();
  TRY(const ProgramImage image, ProgramImage::of(bytes));
  return HookProbe::place(image);
}

TEST(HookProbePlace, IsTheHookRuntimesInstructionAndNobodyElses) {
  ElfImage elf;
  elf.symbol("internal/sandboxhook.ran", elf.add(kRan), kRan.size(), STT_FUNC, STB_LOCAL);  // of some assembly file
  const std::uint64_t address = elf.add(kRan);
  elf.symbol("internal/sandboxhook.ran.abi0", address, kRan.size(), STT_FUNC);
  const std::string wrapper = "\xcc\xc3";
  elf.symbol("internal/sandboxhook.ran", elf.add(wrapper), wrapper.size(), STT_FUNC);
  ASSERT_OK_AND_ASSIGN(const auto place, place_in(elf));
  EXPECT_EQ(place, address - ElfImage::kBase + 10);
}

TEST(HookProbePlace, IsNoneWithoutHooksAndAnErrorWhereTheFunctionWasReplaced) {
  ElfImage elf;
  ASSERT_OK_AND_ASSIGN(const auto none, place_in(elf));
  EXPECT_EQ(none, std::nullopt);
  const std::string other = "\xc3";
  elf.symbol("internal/sandboxhook.ran.abi0", elf.add(other), other.size(), STT_FUNC);
  const auto place = place_in(elf);
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().fault, Fault::input);
}

class Probes : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "the kernel's probes take root";
    executable_.reset(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    ASSERT_OK_AND_ASSIGN(const ProgramImage image, ProgramImage::map(executable_.get()));
    for (std::size_t i = 0; i < image.symbols(); ++i)
      if (const auto symbol = image.symbol(i); symbol && symbol->name == "probes_test_nop")
        place_ = image.file_offset(symbol->address).value_or(0);
    ASSERT_NE(place_, 0u);
  }
  static std::vector<HookHit> drained(HookProbe& probe) {
    std::vector<HookHit> hits;
    EXPECT_TRUE(probe.drain([&](const HookHit& hit) { hits.push_back(hit); }));
    return hits;
  }
  UniqueFd executable_;
  std::uint64_t place_ = 0;
};

TEST_F(Probes, AHookThatRunsIsSeenWithItsWordsThreadAndTime) {
  ASSERT_OK_AND_ASSIGN(HookProbe probe, HookProbe::attach(::getpid(), executable_.get(), place_));
  EXPECT_TRUE(drained(probe).empty());
  const std::uint64_t before = monotonic_ns();
  probes_test_ran(0x1234'5678'9abc, 7);
  pid_t other = 0;
  std::thread([&] {
    other = static_cast<pid_t>(::syscall(SYS_gettid));
    probes_test_ran(5, 0);
  }).join();
  const auto hits = drained(probe);
  ASSERT_EQ(hits.size(), 2u);
  EXPECT_EQ(hits[0].site, 0x1234'5678'9abcu);
  EXPECT_EQ(hits[0].event, 7u);
  EXPECT_GE(hits[0].time_ns, before);
  EXPECT_LE(hits[1].time_ns, monotonic_ns());
  EXPECT_NE(static_cast<pid_t>(hits[0].thread), static_cast<pid_t>(hits[1].thread));
  EXPECT_EQ(hits[0].thread >> 32, hits[1].thread >> 32) << "one process";
  EXPECT_EQ(probe.counted(), 2u);
  EXPECT_TRUE(drained(probe).empty()) << "each once";
}

TEST_F(Probes, AnotherProcessIsNotSeen) {
  ASSERT_OK_AND_ASSIGN(HookProbe probe, HookProbe::attach(::getpid(), executable_.get(), place_));
  const pid_t child = ::fork();
  if (child == 0) {
    probes_test_ran(1, 1);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(probe.counted(), 0u);
}

TEST_F(Probes, WhatThereIsNoRoomForIsCounted) {
  ASSERT_OK_AND_ASSIGN(HookProbe probe, HookProbe::attach(::getpid(), executable_.get(), place_));
  constexpr std::uint64_t kMany = HookProbe::kRingSize / sizeof(HookHit);
  for (std::uint64_t i = 1; i <= kMany; ++i) probes_test_ran(1, i);
  const auto hits = drained(probe);
  EXPECT_EQ(probe.counted(), kMany);
  EXPECT_GT(probe.lost(), 0u);
  EXPECT_EQ(hits.size() + probe.lost(), kMany);
  EXPECT_EQ(hits.back().event, hits.size()) << "the first ones are kept";
  probes_test_ran(1, 1);
  EXPECT_EQ(drained(probe).size(), 1u) << "there is room again";
}

// A process in a pid namespace of its own, two below us, that makes `calls` calls when told to.
TEST_F(Probes, CallsAreCountedByInstructionInOnePidNamespace) {
  int go[2], done[2];
  ASSERT_EQ(::pipe2(go, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(done, O_CLOEXEC), 0);
  constexpr int kCalls = 1000;
  const pid_t parent = ::fork();
  if (parent == 0) {
    if (::unshare(CLONE_NEWPID) != 0) ::_exit(1);
    const pid_t init = ::fork();
    if (init == 0) {
      const pid_t program = ::fork();
      char byte = 0;
      if (program == 0) {
        (void)!::read(go[0], &byte, 1);
        for (int i = 0; i < kCalls; ++i) ::syscall(SYS_getppid);
        (void)!::write(done[1], &byte, 1);
        ::pause();
      }
      for (int i = 0; i < kCalls; ++i) ::syscall(SYS_getppid);  // init's calls are ours
      ::pause();
    }
    char pid[32];
    (void)!::write(done[1], pid, static_cast<std::size_t>(::snprintf(pid, sizeof pid, "%d", init)));
    ::pause();
  }
  char text[32] = {};
  ASSERT_GT(::read(done[0], text, sizeof text - 1), 0);
  const pid_t init = ::atoi(text);
  ASSERT_OK_AND_ASSIGN(CallProbe probe, CallProbe::attach(init));
  char byte = 0;
  ASSERT_EQ(::write(go[1], &byte, 1), 1);
  for (int i = 0; i < kCalls; ++i) ::syscall(SYS_getppid);  // those of other namespaces are not counted
  ASSERT_EQ(::read(done[0], &byte, 1), 1);
  ASSERT_OK_AND_ASSIGN(const std::vector<CallCount> counts, probe.read());
  std::uint64_t parents = 0, places = 0;
  for (const CallCount& one : counts)
    if (one.number == SYS_getppid) parents += one.count, ++places;
  EXPECT_EQ(parents, static_cast<std::uint64_t>(kCalls));
  EXPECT_EQ(places, 1u) << "one instruction made them all";
  EXPECT_EQ(probe.lost(), 0u);
  ::kill(init, SIGKILL);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  for (int fd : {go[0], go[1], done[0], done[1]}) ::close(fd);
}

TEST_F(Probes, WithoutPrivilegesSayWhatTheyTake) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setuid(65534) != 0) ::_exit(2);
    const auto probe = HookProbe::attach(::getpid(), executable_.get(), place_);
    ::_exit(!probe && probe.error().what.find("it takes root") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace sandbox_run::hooks
