// HookProbe: the kernel's own word that a hook ran: a uprobe on the one instruction that every event of the hook
// runtime passes (runtime/system_amd64.s, ran), with what that puts in two registers.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "hooks/bpf.h"
#include "hooks/program_image.h"

namespace sandbox_run::hooks {

// As the probe in the kernel writes it.
struct HookHit {
  std::uint64_t site = 0;     // its address
  std::uint64_t event = 0;    // position in the ring + 1; 0: the event was dropped
  std::uint64_t time_ns = 0;  // CLOCK_MONOTONIC
  std::uint64_t thread = 0;   // the process in the upper half, as in the first pid namespace
};
static_assert(sizeof(HookHit) == 32);

class HookProbe {
 public:
  // Where in the executable's file the probe belongs; nothing where the hook runtime was not linked, for want of hooks.
  // Fails with: Fault::input where the function is there and is not ours: assembly can put another in its place.
  static Result<std::optional<std::uint64_t>> place(const ProgramImage& image);

  // From now on, in all threads of `program`, also in what it executes next. `executable` is the file, `place` an
  // offset in it. Fails with: Fault::host.
  static Result<HookProbe> attach(pid_t program, int executable, std::uint64_t place);

  // Hands over, once each, the hits since the last time. True: and there is none that began before this call did.
  bool drain(const std::function<void(const HookHit&)>& take);

  std::uint64_t counted() const { return words_[kCounted]; }
  std::uint64_t lost() const { return words_[kLost]; }  // counted, and no room to say more of it

  static constexpr std::uint32_t kRingSize =
      1 << 20;  // some 26,000 hits between two drains, more than the ring has events

 private:
  enum Word { kCounted, kLost, kWords };
  HookProbe(bpf::Words words, bpf::RingBuffer ring, UniqueFd program, UniqueFd event)
      : words_(std::move(words)), ring_(std::move(ring)), program_(std::move(program)), event_(std::move(event)) {}

  bpf::Words words_;
  bpf::RingBuffer ring_;
  UniqueFd program_;
  UniqueFd event_;
};

}  // namespace sandbox_run::hooks
