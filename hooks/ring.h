// Ring: the memory file into which a hooked program writes its events. All that is read from it may be a lie:
// positions, commit words and slots are copied first, checked afterwards, and bound no loop and no allocation.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "hooks/layout.h"

namespace sandbox_run::hooks {

class Ring {
 public:
  // Its pages are populated here, so they count as the supervisor's memory and not as the program's.
  // REQUIRES: slots is a power of two, 64 to 2^20.
  static Result<Ring> create(std::uint32_t slots = kDefaultSlots);
  Ring(Ring&& other) noexcept;
  Ring& operator=(Ring&&) = delete;
  ~Ring();

  int fd() const { return fd_.get(); }

  // Hands every committed slot over, once, as a private copy with its position. Slots of one goroutine come in the
  // order it wrote them; a slot that is still being written does not hold up those after it, and is given up as lost
  // when it has kept the front for kCommitPatience.
  using Consumer = std::function<void(std::uint64_t position, const Slot& slot)>;
  void drain(std::uint64_t now_ns, const Consumer& consume);

  std::uint64_t dropped() const;                        // by the program's own count: the ring was full
  std::uint64_t lost() const { return lost_; }          // reserved and never committed, or overwritten unread
  std::uint64_t nonsense() const { return nonsense_; }  // times the program's position cannot have come from hooks

  // Counts per site, as far as the entries are in use; at most kCounters.
  std::vector<Counter> counters() const;

  static constexpr std::uint64_t kCommitPatience_ns = 100'000'000;

  std::uint8_t* memory() const { return memory_; }  // for tests and fuzz targets, which play the program

 private:
  Ring(UniqueFd fd, std::uint8_t* memory, std::uint32_t slots);
  std::uint64_t load(std::uint32_t offset) const;
  void pass_over(std::uint64_t position);

  UniqueFd fd_;
  std::uint8_t* memory_ = nullptr;
  std::uint32_t slots_ = 0;
  std::uint64_t consumed_ = 0;     // everything before it was handed over or given up
  std::vector<bool> handed_over_;  // by slot: of those at and after consumed_
  std::uint64_t front_since_ns_ =
      0;  // when consumed_ became the front while it was not committed; 0: it is not waiting
  std::uint64_t lost_ = 0;
  std::uint64_t nonsense_ = 0;
};

}  // namespace sandbox_run::hooks
