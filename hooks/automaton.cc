#include "hooks/automaton.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace sandbox_run::hooks {
namespace {

using Kind = AutomatonState::Kind;

// Built from the back: each part is made knowing the state that follows it.
class Builder {
 public:
  Automaton take(const RegexpNode& expression) {
    const std::uint32_t match = add({.kind = Kind::match});
    automaton_.start = build(expression, match);
    return std::move(automaton_);
  }
  bool full() const { return full_; }

 private:
  std::uint32_t add(AutomatonState state) {
    if (automaton_.states.size() >= kMaxAutomatonStates) {
      full_ = true;  // what is built from here on is thrown away
      return 0;
    }
    automaton_.states.push_back(state);
    return static_cast<std::uint32_t>(automaton_.states.size() - 1);
  }

  std::uint32_t build(const RegexpNode& node, std::uint32_t next) {
    if (full_) return 0;
    switch (node.kind) {
      case RegexpNode::Kind::empty:
        return next;
      case RegexpNode::Kind::runes:
        return runes(node.runes, next);
      case RegexpNode::Kind::text_begin:
        return add({.kind = Kind::text_begin, .next = next});
      case RegexpNode::Kind::text_end:
        return add({.kind = Kind::text_end, .next = next});
      case RegexpNode::Kind::word_boundary:
        return add({.kind = Kind::word_boundary, .next = next});
      case RegexpNode::Kind::no_word_boundary:
        return add({.kind = Kind::no_word_boundary, .next = next});
      case RegexpNode::Kind::sequence:
        for (auto part = node.parts.rbegin(); part != node.parts.rend(); ++part) next = build(*part, next);
        return next;
      case RegexpNode::Kind::choice: {
        std::vector<std::uint32_t> ways;
        for (const RegexpNode& part : node.parts) ways.push_back(build(part, next));
        return any_of(ways);
      }
      case RegexpNode::Kind::repeat:
        return repeat(node, next);
    }
    return next;
  }

  std::uint32_t repeat(const RegexpNode& node, std::uint32_t next) {
    const RegexpNode& part = node.parts[0];
    if (node.most < 0) {
      const std::uint32_t loop = add({.kind = Kind::split, .other = next});
      const std::uint32_t body = build(part, loop);
      automaton_.states[loop].next = body;
      next = loop;
    }
    const std::uint32_t end = next;
    for (int i = node.least; i < node.most && !full_; ++i)
      next = add({.kind = Kind::split, .next = build(part, next), .other = end});
    for (int i = 0; i < node.least && !full_; ++i) next = build(part, next);
    return next;
  }

  // No way: a class without characters, which no byte can enter.
  std::uint32_t any_of(const std::vector<std::uint32_t>& ways) {
    if (ways.empty()) return add({.kind = Kind::bytes, .low = 1, .high = 0});
    std::uint32_t state = ways.back();
    for (std::size_t i = ways.size() - 1; i-- > 0;) state = add({.kind = Kind::split, .next = ways[i], .other = state});
    return state;
  }

  std::uint32_t runes(const RuneRanges& ranges, std::uint32_t next) {
    std::vector<std::uint32_t> ways;
    for (auto [low, high] : ranges) {
      // Where the length of the encoding changes, and around the surrogates, which have none (RFC 3629).
      constexpr std::pair<std::uint32_t, std::uint32_t> kPieces[] = {
          {0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xd7ff}, {0xe000, 0xffff}, {0x10000, 0x10ffff}};
      for (auto [first, last] : kPieces)
        if (low <= last && high >= first) encoded(std::max(low, first), std::min(high, last), next, ways);
    }
    return any_of(ways);
  }

  static std::vector<std::uint8_t> utf8(std::uint32_t rune) {
    std::string text;
    append_utf8(text, rune);
    return {text.begin(), text.end()};
  }

  // Both ends have encodings of one length. Split until every tail is either one sequence of ranges or all of them.
  void encoded(std::uint32_t low, std::uint32_t high, std::uint32_t next, std::vector<std::uint32_t>& ways) {
    if (full_) return;
    const auto first = utf8(low), last = utf8(high);
    for (std::size_t tail = 1; tail < first.size(); ++tail) {
      const std::uint32_t mask = (1u << 6 * tail) - 1;
      if ((low & ~mask) == (high & ~mask)) continue;
      if ((low & mask) != 0) {
        encoded(low, low | mask, next, ways);
        return encoded((low | mask) + 1, high, next, ways);
      }
      if ((high & mask) != mask) {
        encoded(low, (high & ~mask) - 1, next, ways);
        return encoded(high & ~mask, high, next, ways);
      }
    }
    for (std::size_t i = first.size(); i-- > 0;)
      next = add({.kind = Kind::bytes, .low = first[i], .high = last[i], .next = next});
    ways.push_back(next);
  }

  Automaton automaton_;
  bool full_ = false;
};

}  // namespace

Result<Automaton> automaton_of(const RegexpNode& expression) {
  Builder builder;
  Automaton automaton = builder.take(expression);
  if (builder.full())
    return input_error(fmt::format("it takes more than {} states: fewer or shorter repetitions", kMaxAutomatonStates));
  return automaton;
}

}  // namespace sandbox_run::hooks
