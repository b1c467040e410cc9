#include "hooks/trace.h"

#include <cstring>

namespace sandbox_run::hooks {
namespace {

constexpr std::size_t kMaxPlaces = 4096;
constexpr std::size_t kMaxStack = kPayloadSize / sizeof(std::uint64_t);

template <class T>
bool take(std::string_view& from, T& value) {
  if (from.size() < sizeof value) return false;
  std::memcpy(&value, from.data(), sizeof value);
  from.remove_prefix(sizeof value);
  return true;
}

// `content`: what the value's length says it is made of, all of it to be used up.
bool decode(std::string_view content, Value& value) {
  switch (value.tag) {
    case ValueTag::signed_integer:
      return take(content, value.integer) && content.empty();
    case ValueTag::unsigned_integer:
    case ValueTag::pointer:
      return take(content, value.word) && content.empty();
    case ValueTag::floating:
      return take(content, value.real) && content.empty();
    case ValueTag::boolean: {
      std::uint8_t byte = 0;
      const bool whole = take(content, byte) && content.empty() && byte <= 1;
      value.integer = byte;
      return whole;
    }
    case ValueTag::text:
    case ValueTag::bytes:
    case ValueTag::error:
    case ValueTag::other: {
      std::uint32_t full = 0;
      if (!take(content, full) || content.size() > full) return false;
      value.word = full;
      value.text.assign(content);
      return value.tag != ValueTag::other || content.size() <= 16;
    }
    case ValueTag::nil:
      return content.empty();
    case ValueTag::stack:
      for (std::uint64_t counter = 0; value.stack.size() < kMaxStack && take(content, counter);)
        value.stack.push_back(counter);
      return content.empty();
  }
  return false;
}

}  // namespace

std::uint64_t BegunCalls::count() const {
  std::uint64_t sum = lost;
  for (const CallPlace& one : places) sum += one.count;
  return sum;
}

std::uint64_t BegunCalls::count_by(CallMaker maker) const {
  std::uint64_t sum = 0;
  for (const CallPlace& one : places)
    if (one.maker == maker) sum += one.count;
  return sum;
}

bool Trace::forged() const {
  for (const ForgeryCount& one : forgeries)
    if (one.count > 0) return true;
  return false;
}

std::optional<std::vector<Value>> decode_values(std::string_view payload) {
  std::vector<Value> values;
  while (!payload.empty()) {
    Value value;
    std::uint16_t length = 0;
    if (!take(payload, value.tag) || !take(payload, value.index) || !take(payload, length) || length > payload.size())
      return std::nullopt;
    if (!decode(payload.substr(0, length), value)) return std::nullopt;
    payload.remove_prefix(length);
    values.push_back(std::move(value));
  }
  return values;
}

void place_stacks(const LineTable& table, Trace& trace) {
  for (const TraceEvent& event : trace.events) {
    if ((trace.sites[event.site].options & kSiteStack) == 0) continue;
    for (const Value& value : decode_values(event.arguments).value_or(std::vector<Value>{}))
      for (std::uint64_t address : value.stack)
        if (trace.places.size() < kMaxPlaces && !trace.places.contains(address))
          trace.places.emplace(address, table.places(address));
  }
  if (!trace.begun) return;
  std::size_t placed = 0;
  for (CallPlace& one : trace.begun->places)
    if (one.maker == CallMaker::own && placed++ < kMaxPlaces) one.functions = table.places(one.instruction_pointer);
}

}  // namespace sandbox_run::hooks
