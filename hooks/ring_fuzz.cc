// The input is what a hostile program leaves in the ring: header words, then slots, some of them committed; with a
// witnessed call now and then. The collector's side keeps its bounds and finishes.
#include <sys/syscall.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "hooks/joiner.h"
#include "hooks/ring.h"

namespace {

using namespace sandbox_run::hooks;

constexpr std::uint32_t kSlots = 64;
constexpr std::size_t kMaxEvents = 32;

const RuleSet& rules() {
  static const RuleSet* rules = [] {
    auto parsed = parse_rules(
        "version: 1\nrules:\n"
        "- {name: a, at: f, do: {record: {arguments: [name], results: [err]}}, explains: [openat]}\n"
        "- {name: b, at: {call: g}, do: record}\n",
        "f");
    return parsed ? new RuleSet(*parsed) : nullptr;
  }();
  if (!rules) std::abort();
  return *rules;
}

Sites sites() {
  Sites sites;
  for (std::uint32_t rule : {0u, 1u}) {
    Site site;
    site.address = 0x4141 + rule;
    site.rule = rule;
    site.kind = rule == 0 ? SiteKind::function : SiteKind::call;
    site.options = rule == 0 ? kSiteHasExit : 0;
    site.inputs = {"name"};
    site.results = {"err"};
    sites.sites.push_back(site);
  }
  return sites;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto ring = Ring::create(kSlots);
  if (!ring) std::abort();
  Joiner joiner(rules(), sites(), {.max_events = kMaxEvents, .witnessed_calls = {SYS_openat}, .start_ns = 0});
  std::uint64_t now_ns = 1000, handed_over = 0;
  auto consume = [&](std::uint64_t position, const Slot& slot) {
    ++handed_over;
    joiner.take(position, slot, now_ns);
  };
  SharedMemory& memory = ring->memory();
  // Each step: what the position moves to, then a slot's content for it.
  while (size >= 2) {
    const std::uint8_t step = data[0], length = data[1];
    data += 2, size -= 2;
    const std::uint64_t reserved = memory.load64(kReservedOffset);
    const std::size_t used = std::min<std::size_t>(std::min<std::size_t>(length, kSlotSize - 8), size);
    const std::size_t at = kSlotsOffset + (reserved & (kSlots - 1)) * kSlotSize;
    std::memcpy(memory.data() + at + 8, data, used);
    data += used, size -= used;
    if (step & 1) memory.store64(at, reserved + 1);
    memory.store64(kReservedOffset, step & 2 ? reserved + 1 : step & 4 ? reserved * 3 - 1 : reserved);
    if (step & 8) ring->drain(now_ns += 60'000'000, consume);
    if (step & 16) joiner.witness({.number = SYS_openat, .time_ns = now_ns, .path = "/a"});
    joiner.set_losses(ring->dropped(), ring->lost(), ring->nonsense());
  }
  ring->finish(now_ns, consume);
  const Trace trace = joiner.finish(ring->counters(), now_ns);
  if (trace.events.size() > kMaxEvents || trace.events_counted > handed_over) std::abort();
  for (const TraceEvent& event : trace.events)
    if (event.site >= trace.sites.size() || !decode_values(event.arguments) || !decode_values(event.results))
      std::abort();
  return 0;
}
