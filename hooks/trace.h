// Trace: what a hooked program claimed and what the kernel witnessed, joined. Plain data; text in it may hold any
// bytes.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/named_enum.h"
#include "hooks/layout.h"
#include "hooks/line_table.h"
#include "hooks/sites.h"

namespace sandbox_run::hooks {

// A system call as the supervisor saw it: registers, thread and time are the kernel's word.
struct WitnessedCall {
  std::int32_t thread = 0;
  int number = 0;
  std::array<std::uint64_t, 6> arguments{};
  std::uint64_t instruction_pointer = 0;
  std::uint64_t time_ns = 0;        // CLOCK_MONOTONIC
  std::optional<std::string> path;  // as read from the caller's memory, where the call has one
  bool path_unmapped = false;       // it has one, at an address where nothing was
  bool denied = false;              // it was refused
};

// What the kernel says of an event: which thread ran the hook that made it, and when.
struct EventHit {
  std::int32_t thread = 0;  // in the machine's first pid namespace
  std::uint64_t time_ns = 0;
  std::optional<std::uint64_t> end_ns;  // of the event that ended the call
};

// The hooks that the kernel saw run.
struct HookHits {
  std::uint64_t counted = 0;
  std::uint64_t lost = 0;         // there was no room to say which
  std::uint64_t unclaimed = 0;    // ran, and no event came of it: it was dropped, overwritten or never finished
  std::uint64_t unaccounted = 0;  // events that hits may be missing for, because some were lost
};

#define SANDBOX_RUN_CALL_MAKERS(X)                                                             \
  X(program, "program", "an instruction of Go's that makes the calls a program asks for")      \
  X(runtime, "runtime", "an instruction of the Go runtime's, for its own needs")               \
  X(hooks, "hooks", "the hook runtime's instruction, for its start")                           \
  X(kernel, "kernel", "code that the kernel put into the process: clocks, the probe on hooks") \
  X(own, "own", "an instruction that is not one of Go's: the program's or a dependency's own")
SANDBOX_RUN_NAMED_ENUM(CallMaker, SANDBOX_RUN_CALL_MAKERS);

// System calls of one number that began at one instruction, watched or not. Refused ones never begin.
struct CallPlace {
  std::string name;  // empty: the number has none that is known here
  std::int64_t number = 0;
  std::uint64_t instruction_pointer = 0;
  std::uint64_t count = 0;
  CallMaker maker = CallMaker::own;
  std::vector<CodePlace> functions;  // that the instruction is in, for `own`; inlined ones first
};

struct BegunCalls {
  std::vector<CallPlace> places;  // most first
  std::uint64_t lost = 0;         // calls of places that there was no room for

  std::uint64_t count() const;  // lost ones too
  std::uint64_t count_by(CallMaker maker) const;
};

// A lane of the kernel's: whether it was there, and if not, why.
struct Witness {
  std::string name;
  bool present = false;
  std::string why;
};

#define SANDBOX_RUN_JOIN_VERDICTS(X)                                                      \
  X(explained, "explained", "an open frame says so")                                      \
  X(runtime, "runtime", "the Go runtime does this by itself")                             \
  X(uncovered, "uncovered", "no active rule sees every call of a function that makes it") \
  X(unexplained, "unexplained", "no open frame accounts for it")                          \
  X(contradicted, "contradicted", "the open frames name another path")
SANDBOX_RUN_NAMED_ENUM(JoinVerdict, SANDBOX_RUN_JOIN_VERDICTS);

struct Witnessed {
  WitnessedCall call;
  JoinVerdict verdict = JoinVerdict::uncovered;
  std::string why;                     // a sentence, for all but `explained`
  std::optional<std::uint64_t> frame;  // explained, contradicted: the frame that was looked at
  std::uint32_t site = 0;              // index in Trace::sites; meaningful where `frame` is
  bool after_loss = false;             // events had been lost before: the missing frame may be among them
};

// One value of an event, decoded.
struct Value {
  std::uint8_t index = 0;  // input i; result kFirstResult + i
  ValueTag tag = ValueTag::nil;
  std::int64_t integer = 0;  // signed_integer, boolean
  std::uint64_t word = 0;    // unsigned_integer, pointer; text, bytes, error: the full length; other: the size
  double real = 0;
  std::string text;                  // text, bytes, error, other: what was captured
  std::vector<std::uint64_t> stack;  // program counters
};
// nullopt: not a payload that the hook runtime writes.
std::optional<std::vector<Value>> decode_values(std::string_view payload);

struct TraceEvent {
  enum class Kind { call, aborted, point };
  Kind kind = Kind::call;
  std::uint32_t site = 0;  // index in Trace::sites
  std::uint64_t frame = 0;
  std::uint64_t goroutine = 0;
  std::uint64_t start_ns = 0;
  std::optional<std::uint64_t> duration_ns;  // absent: entry only, or still open at the end
  std::string arguments;                     // payloads, checked: decode_values succeeds
  std::string results;
  std::optional<EventHit> hit;  // absent: the kernel did not look, or its word was lost
  std::uint16_t flags = 0;      // kSlot…
  bool without_effect = false;  // it ended well, its rule says that this takes a system call, and none was witnessed
};

struct FunctionTotals {
  std::string function;
  std::uint64_t calls = 0;  // events; for rules that only count, the program's counter
  std::uint64_t aborted = 0;
  std::uint64_t time_ns = 0;  // of the calls that ended
  std::uint64_t open = 0;     // calls that had not ended
  std::uint64_t without_effect = 0;
};

// What no honest hook writes.
#define SANDBOX_RUN_FORGERIES(X)                                                          \
  X(unknown_site, "unknown site", "an event of a site that is not in the binary")         \
  X(unknown_kind, "unknown kind", "an event of a kind that its site cannot make")         \
  X(malformed, "malformed", "a payload that no hook writes")                              \
  X(bad_frame, "bad frame", "a frame number that cannot be")                              \
  X(exit_without_enter, "exit without enter", "the end of a call that never began")       \
  X(wrong_goroutine, "wrong goroutine", "a call that ended on another goroutine")         \
  X(time_backwards, "time backwards", "a goroutine's time running backwards")             \
  X(time_in_future, "time outside the run", "a time before the run or after its receipt") \
  X(counter_mismatch, "counter mismatch", "a counter below the number of events")         \
  X(unknown_counter, "unknown counter", "a counter of a site that is not in the binary")  \
  X(ring_position, "ring position", "a position that reservations cannot reach")          \
  X(unwitnessed, "unwitnessed", "an event for which the kernel saw no hook run")
SANDBOX_RUN_NAMED_ENUM(Forgery, SANDBOX_RUN_FORGERIES);

struct ForgeryCount {
  std::uint64_t count = 0;
  std::string example;  // the first one, in words
};

// Somebody outside switched something.
struct TraceChange {
  std::uint64_t time_ns = 0;
  std::string action;  // "attach", "detach", "reload"
  std::string rule;    // empty for reload
  std::uint32_t uid = 0;
};

struct Trace {
  std::vector<Site> sites;
  std::vector<std::string> rules;  // names, by index
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  std::vector<TraceEvent> events;    // the first max_events, by start; the rest is only counted
  std::uint64_t events_counted = 0;  // all of them
  std::vector<Witnessed>
      witnessed;  // likewise; those that are neither explained nor the runtime's have room of their own
  std::uint64_t witnessed_counted = 0;
  std::array<std::uint64_t, std::size(kJoinVerdictValues)> verdicts{};  // of all witnessed calls
  std::vector<FunctionTotals> functions;                                // by time, then calls, most first
  std::uint64_t open_frames = 0;        // at the end: a program that exits inside a hooked function leaves some
  std::uint64_t untracked_frames = 0;   // beyond the collector's bound: not joined
  std::uint64_t unbalanced_frames = 0;  // ended out of order, or without a beginning after events were lost
  std::uint64_t without_effect = 0;
  std::uint64_t dropped = 0;  // by the program's own count
  std::uint64_t lost = 0;     // by the collector's
  std::array<ForgeryCount, std::size(kForgeryValues)> forgeries{};
  std::vector<TraceChange> changes;
  std::vector<Witness> witnesses;
  std::optional<HookHits> hits;                            // where a uprobe was there
  std::optional<BegunCalls> begun;                         // where a tracepoint was there
  std::map<std::uint64_t, std::vector<CodePlace>> places;  // of the addresses in the kept events' stacks

  bool forged() const;
  std::uint64_t count(JoinVerdict verdict) const { return verdicts[static_cast<std::size_t>(verdict)]; }
};

// Fills Trace::places and those of calls; of an address beyond the first few thousand, or in no function, there are
// none.
void place_stacks(const LineTable& table, Trace& trace);

// "openat" for 257; "syscall 999" for a number without a name here.
std::string call_name(int number);
// The number of a call that rules may name in `explains`; nothing for another word.
std::optional<int> call_number(std::string_view name);
// Which argument of the call (0 to 5) points to the path that it is about; nothing where it has none.
std::optional<int> path_argument(int number);

}  // namespace sandbox_run::hooks
