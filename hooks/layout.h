// Layout: the shared memory between the supervisor and the hook runtime, and the Site structures in a hooked binary.
// Little endian. The Go side has the same figures in hooks/runtime/layout.go; a test compares the two files.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sandbox_run::hooks {

// ── control memfd: mapped read-only by the program ───────────────────────────────────────────────────────────────────
constexpr int kControlDescriptor = 3;                        // where the program finds it at its start
constexpr std::uint64_t kControlMagic = 0x314C525443584253;  // "SBXCTRL1"
constexpr std::uint32_t kControlVersion = 1;
constexpr std::uint32_t kControlSize = 1 << 20;
constexpr std::uint32_t kMaxRules = 1024;
constexpr std::uint32_t kFlagsOffset = 0x1000;
constexpr std::uint32_t kArenaOffset[2] = {0x2000, 0x81000};
constexpr std::uint32_t kArenaSize = 0x7F000;

struct ControlHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t rule_count;
  std::uint32_t size;
  std::uint32_t epoch;  // atomic; its low bit selects the arena
};

// At the arena's start, one for each rule. Offsets are from the arena's start; 0 is none.
struct RuleRecord {
  std::uint32_t condition;        // offset of the instructions
  std::uint32_t condition_count;  // instructions
  std::uint32_t sample;           // records 1 in N; 0 and 1: all
  std::uint32_t per_second;       // events; 0: no bound
  std::uint64_t limit;            // events in all; 0: no bound
  std::uint32_t capture;          // bytes of each string
  std::uint32_t scrub;            // kScrub… bits
  std::uint32_t scrub_regexp;     // offset of u32 count, then u32 offsets of DFAs
  std::uint32_t scrub_inputs;     // bit i: input i is masked whole
  std::uint32_t reserved[6];
};
static_assert(sizeof(RuleRecord) == 64);
constexpr std::uint32_t kDefaultCapture = 64;
constexpr std::uint32_t kMaxCapture = 160;
constexpr std::uint32_t kScrubCards = 1;
constexpr std::uint32_t kScrubTokens = 2;
constexpr std::uint32_t kScrubMails = 4;
constexpr std::uint32_t kScrubKeys = 8;

// A condition is a program for a machine with a stack of at most kConditionDepth booleans; it holds if true is on top
// at its end. An input that is absent or of a kind the operation cannot read makes false.
enum class Operation : std::uint8_t {
  all = 1,  // and, or: of the two topmost
  any = 2,
  negate = 3,
  always = 4,
  equal =
      10,  // numbers: b is an int64, or with a=1 the bits of a float64; a=2 compares the length of a string or slice
  not_equal = 11,
  less = 12,
  at_most = 13,
  greater = 14,
  at_least = 15,
  text_equal = 20,  // strings and []byte: a is the offset, b the length of the operand
  prefix = 21,
  suffix = 22,
  contains = 23,
  set = 24,     // a is the offset of b pairs {u32 offset, u32 length}
  regexp = 25,  // a is the offset of a DFA
  nil = 30,
  not_nil = 31,
  rate = 40,  // at most b events a second
};
struct Instruction {
  Operation operation;
  std::uint8_t input;
  std::uint16_t zero;
  std::uint32_t a;
  std::uint64_t b;
};
static_assert(sizeof(Instruction) == 16);
constexpr int kConditionDepth = 32;
constexpr std::uint32_t kMaxInputs = 64;  // Site::record has a bit for each

// A DFA is this header, u8 class_of[256], u8 accept[states] padded to 4, u16 next[states * classes].
struct DfaHeader {
  std::uint32_t states;
  std::uint32_t classes;
  std::uint32_t start;
  std::uint32_t size;  // of the whole table, in bytes
};
constexpr std::uint32_t kMaxDfaStates = 4096;
constexpr std::uint32_t kMaxDfaSize = 64 << 10;
constexpr std::uint8_t kAcceptNow = 1;    // a match, whatever follows
constexpr std::uint8_t kAcceptAtEnd = 2;  // a match if the text ends here

// ── ring memfd: written by the program ───────────────────────────────────────────────────────────────────────────────
constexpr int kRingDescriptor = 4;
constexpr std::uint64_t kRingMagic = 0x31474E4952584253;  // "SBXRING1"
constexpr std::uint32_t kRingVersion = 1;
constexpr std::uint32_t kSlotSize = 256;
constexpr std::uint32_t kDefaultSlots = 16384;
constexpr std::uint32_t kCounters = 4096;
constexpr std::uint32_t kReservedOffset = 0x40;
constexpr std::uint32_t kConsumedOffset = 0x80;
constexpr std::uint32_t kDroppedOffset = 0xC0;
constexpr std::uint32_t kCountersOffset = 0x1000;
constexpr std::uint32_t kSlotsOffset = kCountersOffset + kCounters * 16;

struct RingHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t slot_size;
  std::uint32_t slot_count;  // a power of two
  std::uint32_t counter_count;
};

struct Counter {
  std::uint64_t site;  // its address in the program
  std::uint64_t count;
};

enum class SlotKind : std::uint32_t { enter = 1, exit = 2, aborted = 3, point = 4 };
constexpr std::uint16_t kSlotTruncated = 1;
constexpr std::uint16_t kSlotMasked = 2;
constexpr std::uint16_t kSlotPanicking = 4;
constexpr std::uint32_t kPayloadSize = 208;

struct Slot {
  std::uint64_t commit;  // position + 1 once the rest is there
  std::uint64_t site;
  std::uint64_t time_ns;  // CLOCK_MONOTONIC
  std::uint64_t goroutine;
  std::uint64_t frame;  // enter: position + 1; exit: the enter's; else 0
  SlotKind kind;
  std::uint16_t payload_length;
  std::uint16_t flags;
  std::uint8_t payload[kPayloadSize];  // values: u8 tag, u8 index (input i, result 128 + i), u16 length, bytes
};
static_assert(sizeof(Slot) == kSlotSize);

enum class ValueTag : std::uint8_t {
  signed_integer = 1,
  unsigned_integer = 2,
  floating = 3,
  boolean = 4,
  text = 5,   // u32 full length, bytes
  bytes = 6,  // likewise
  error = 7,  // likewise: a type's name, or the text of an error of ours
  nil = 8,
  pointer = 9,
  other = 10,  // u32 size, at most 16 bytes
  stack = 11,  // u64 program counters
};
constexpr std::uint8_t kFirstResult = 128;

// ── Site: static data of the hooked binary ───────────────────────────────────────────────────────────────────────────
constexpr std::uint64_t kSiteMagic = 0x3145544953584253;  // "SBXSITE1"
enum class SiteKind : std::uint32_t { function = 1, call = 2, literal = 3, panic = 4, replace = 5 };
constexpr std::uint32_t kSiteStack = 1;
constexpr std::uint32_t kSiteCountOnly = 2;
constexpr std::uint32_t kSiteAborts = 4;
constexpr std::uint32_t kSiteHasExit = 8;

struct GoString {
  std::uint64_t address;
  std::uint64_t length;
};
struct SiteRecord {
  std::uint64_t magic;
  std::uint32_t rule;
  SiteKind kind;
  std::uint32_t line;
  std::uint32_t column;
  std::uint64_t record;  // bit i: input i is recorded, not only tested by the condition
  std::uint32_t options;
  std::uint32_t inputs;
  GoString function;
  GoString file;
  GoString names;  // "in1,in2;res1,res2"
  GoString text;   // of the error an abort returns
  std::uint64_t state[6];
};
static_assert(sizeof(SiteRecord) == 152 && offsetof(SiteRecord, function) == 40);

}  // namespace sandbox_run::hooks
