// Ring: the memory file into which a hooked program writes its events. All that is read from it may be a lie:
// positions, commit words and slots are copied first and checked afterwards, and none of them bounds a loop or an
// allocation.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "hooks/layout.h"
#include "hooks/shared_memory.h"

namespace sandbox_run::hooks {

class Ring {
 public:
  // Its pages are populated here, so they count as the supervisor's memory and not as the program's.
  // REQUIRES: slots is a power of two.
  static Result<Ring> create(std::uint32_t slots = kDefaultSlots);

  int fd() const { return memory_.fd(); }
  std::uint32_t slots() const { return slots_; }

  // Hands every committed slot over, once, as a private copy with its position. Slots of one goroutine come in the
  // order in which it wrote them; a slot that is still being written does not hold up those after it, and is given up
  // as lost when it has kept the front for kCommitPatience_ns.
  // Returns how many.
  using Consumer = std::function<void(std::uint64_t position, const Slot& slot)>;
  std::uint64_t drain(std::uint64_t now_ns, const Consumer& consume);

  // The last drain, once nobody writes any more: what is not committed now never will be.
  void finish(std::uint64_t now_ns, const Consumer& consume);

  std::uint64_t dropped() const;                        // by the program's own count: the ring was full
  std::uint64_t lost() const { return lost_; }          // reserved and never committed
  std::uint64_t nonsense() const { return nonsense_; }  // times its position was one that reservations cannot reach

  // Counts per site, of the entries in use; at most kCounters.
  std::vector<Counter> counters() const;

  static constexpr std::uint64_t kCommitPatience_ns = 100'000'000;

  SharedMemory& memory() { return memory_; }  // for tests and fuzz targets, which play the program

 private:
  Ring(SharedMemory memory, std::uint32_t slots) : memory_(std::move(memory)), slots_(slots), handed_over_(slots) {}
  std::size_t offset_of(std::uint64_t position) const { return kSlotsOffset + (position & (slots_ - 1)) * kSlotSize; }
  Slot copy(std::uint64_t position) const;
  void advance(std::uint64_t reserved, std::uint64_t now_ns);

  SharedMemory memory_;
  std::uint32_t slots_ = 0;
  std::uint64_t consumed_ = 0;        // everything before it was handed over or given up
  std::vector<bool> handed_over_;     // by slot: of the positions from consumed_ on
  std::uint64_t front_since_ns_ = 0;  // since when the slot at consumed_ is waited for; 0: it is not
  std::uint64_t lost_ = 0;
  std::uint64_t nonsense_ = 0;
};

}  // namespace sandbox_run::hooks
