#include "hooks/regexp.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "hooks/automaton.h"
#include "hooks/layout.h"
#include "hooks/regexp_syntax.h"

namespace sandbox_run::hooks {
namespace {

using Kind = AutomatonState::Kind;

constexpr std::size_t kMaxRawStates = 2 * kMaxDfaStates;  // before equivalent ones are merged
constexpr std::uint64_t kMaxWork = 20'000'000;            // steps: a fraction of a second

bool is_word(int byte) { return std::isalnum(byte) || byte == '_'; }

// Bytes that no state of the automaton tells apart.
struct ByteClasses {
  std::array<std::uint8_t, 256> class_of{};
  std::vector<int> sample;  // a byte of each class
};

ByteClasses classes_of(const Automaton& automaton) {
  std::array<bool, 257> begins{};
  begins[0] = true;
  bool words = false;
  for (const AutomatonState& state : automaton.states) {
    words |= state.kind == Kind::word_boundary || state.kind == Kind::no_word_boundary;
    if (state.kind == Kind::bytes) begins[state.low] = begins[state.high + 1] = true;
  }
  if (words) begins[0x80] = begins[0xc0] = true;
  for (int byte = 1; words && byte < 256; ++byte) begins[byte] = begins[byte] || is_word(byte) != is_word(byte - 1);
  ByteClasses classes;
  for (int byte = 0; byte < 256; ++byte) {
    if (begins[byte]) classes.sample.push_back(byte);
    classes.class_of[byte] = static_cast<std::uint8_t>(classes.sample.size() - 1);
  }
  return classes;
}

// The subset construction. A state of the table is the set of the automaton's states that are waiting for a byte, an
// end or a word boundary, with what the last byte was; the start is among them at every position, so a search is
// unanchored.
class Determinizer {
 public:
  Determinizer(const Automaton& automaton, const ByteClasses& classes)
      : automaton_(automaton), classes_(classes), seen_(automaton.states.size(), 0) {
    for (const AutomatonState& state : automaton.states)
      words_ |= state.kind == Kind::word_boundary || state.kind == Kind::no_word_boundary;
  }

  bool run() {
    start = number({closure({automaton_.start}, true), true, false});
    for (std::size_t state = 0; state < sets_.size(); ++state) {
      for (int sample : classes_.sample) next.push_back(accept[state] == kAcceptNow ? state : step(state, sample));
      if (sets_.size() > kMaxRawStates || work_ > kMaxWork) return false;
    }
    return true;
  }

  std::size_t start = 0;
  std::vector<std::uint8_t> accept;
  std::vector<std::size_t> next;  // by state, then class

 private:
  struct Set {
    std::vector<std::uint32_t> states;  // sorted
    bool at_begin = false;
    bool after_word = false;
    auto operator<=>(const Set&) const = default;
  };

  // What is reached without a byte. Begin is known here; ends and boundaries depend on what follows.
  std::vector<std::uint32_t> closure(std::vector<std::uint32_t> pending, bool at_begin) {
    std::vector<std::uint32_t> reached;
    ++mark_;
    while (!pending.empty()) {
      const std::uint32_t at = pending.back();
      pending.pop_back();
      if (seen_[at] == mark_) continue;
      seen_[at] = mark_;
      ++work_;
      const AutomatonState& state = automaton_.states[at];
      if (state.kind == Kind::split) {
        pending.push_back(state.other);
        pending.push_back(state.next);
      } else if (state.kind == Kind::text_begin) {
        if (at_begin) pending.push_back(state.next);
      } else {
        reached.push_back(at);
      }
    }
    std::sort(reached.begin(), reached.end());
    return reached;
  }

  // The set once it is known what follows: a byte, or the text's end (byte -1).
  std::vector<std::uint32_t> resolved(const Set& set, int byte) {
    std::vector<std::uint32_t> states = set.states;
    const bool boundary = set.after_word != (byte >= 0 && is_word(byte));
    const bool in_character = byte >= 0x80 && byte < 0xc0;  // before a continuation byte there is nothing to look at
    auto holds = [&](Kind kind) {
      return (kind == Kind::text_end && byte < 0) || (kind == Kind::word_boundary && boundary && !in_character) ||
             (kind == Kind::no_word_boundary && !boundary && !in_character);
    };
    for (;;) {
      std::vector<std::uint32_t> more;
      for (std::uint32_t at : states)
        if (holds(automaton_.states[at].kind)) more.push_back(automaton_.states[at].next);
      if (more.empty()) return states;
      work_ += states.size();
      more.insert(more.end(), states.begin(), states.end());
      std::vector<std::uint32_t> wider = closure(std::move(more), set.at_begin);
      if (wider == states) return states;
      states = std::move(wider);
    }
  }

  bool has_match(const std::vector<std::uint32_t>& states) const {
    return std::any_of(states.begin(), states.end(),
                       [&](auto at) { return automaton_.states[at].kind == Kind::match; });
  }

  std::size_t step(std::size_t from, int byte) {
    const std::vector<std::uint32_t> states = resolved(sets_[from]->first, byte);
    work_ += states.size();
    if (has_match(states)) return matched();
    std::vector<std::uint32_t> targets = {automaton_.start};
    for (std::uint32_t at : states) {
      const AutomatonState& state = automaton_.states[at];
      if (state.kind == Kind::bytes && state.low <= byte && byte <= state.high) targets.push_back(state.next);
    }
    return number({closure(std::move(targets), false), false, words_ && is_word(byte)});
  }

  // All that is sure of a match is one state.
  std::size_t matched() { return number({}, true); }

  std::size_t number(Set set, bool sure = false) {
    sure = sure || has_match(set.states);
    if (sure) set = Set{{kNoState}, false, false};
    auto [known, is_new] = numbers_.try_emplace(std::move(set), sets_.size());
    if (is_new) {
      sets_.push_back(known);
      accept.push_back(sure ? kAcceptNow : has_match(resolved(known->first, -1)) ? kAcceptAtEnd : 0);
    }
    return known->second;
  }

  static constexpr std::uint32_t kNoState = ~0u;

  const Automaton& automaton_;
  const ByteClasses& classes_;
  bool words_ = false;
  std::vector<std::uint32_t> seen_;
  std::uint32_t mark_ = 0;
  std::uint64_t work_ = 0;
  std::map<Set, std::size_t> numbers_;
  std::vector<std::map<Set, std::size_t>::const_iterator> sets_;
};

// Merges states that no text tells apart (Moore). False: that would take too long.
bool minimize(Determinizer& dfa, std::size_t classes) {
  std::vector<std::size_t> group(dfa.accept.begin(), dfa.accept.end());
  std::size_t groups = 0;
  for (std::uint64_t work = 0;; work += dfa.next.size()) {
    if (work > 10 * kMaxWork) return false;
    std::map<std::vector<std::size_t>, std::size_t> signatures;
    std::vector<std::size_t> finer(group.size());
    for (std::size_t state = 0; state < group.size(); ++state) {
      std::vector<std::size_t> signature = {group[state]};
      for (std::size_t c = 0; c < classes; ++c) signature.push_back(group[dfa.next[state * classes + c]]);
      finer[state] = signatures.try_emplace(std::move(signature), signatures.size()).first->second;
    }
    group = std::move(finer);
    if (signatures.size() == groups) break;
    groups = signatures.size();
  }
  std::vector<std::uint8_t> accept(groups);
  std::vector<std::size_t> next(groups * classes);
  for (std::size_t state = 0; state < group.size(); ++state) {
    accept[group[state]] = dfa.accept[state];
    for (std::size_t c = 0; c < classes; ++c) next[group[state] * classes + c] = group[dfa.next[state * classes + c]];
  }
  dfa.start = group[dfa.start];
  dfa.accept = std::move(accept);
  dfa.next = std::move(next);
  return true;
}

std::size_t table_size(std::size_t states, std::size_t classes) {
  return sizeof(DfaHeader) + 256 + ((states + 3) & ~std::size_t{3}) + 2 * states * classes;
}

bool fits(const Determinizer& dfa, std::size_t classes) {
  return dfa.accept.size() <= kMaxDfaStates && table_size(dfa.accept.size(), classes) <= kMaxDfaSize;
}

std::string table(const Determinizer& dfa, const ByteClasses& classes) {
  const std::size_t states = dfa.accept.size(), count = classes.sample.size();
  DfaHeader header{static_cast<std::uint32_t>(states), static_cast<std::uint32_t>(count),
                   static_cast<std::uint32_t>(dfa.start), static_cast<std::uint32_t>(table_size(states, count))};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes.append(reinterpret_cast<const char*>(classes.class_of.data()), 256);
  bytes.append(dfa.accept.begin(), dfa.accept.end());
  bytes.append((4 - states % 4) % 4, '\0');
  for (std::size_t target : dfa.next) {
    const auto narrow = static_cast<std::uint16_t>(target);
    bytes.append(reinterpret_cast<const char*>(&narrow), sizeof narrow);
  }
  return bytes;
}

}  // namespace

Result<std::string> compile_regexp(std::string_view pattern) {
  auto failed = [&](const std::string& why) {
    return input_error(fmt::format("regular expression '{}': {}", pattern.substr(0, 80), why));
  };
  TRY(RegexpNode expression, parse_regexp(pattern));
  auto automaton = automaton_of(expression);
  if (!automaton) return failed(automaton.error().what);
  const ByteClasses classes = classes_of(*automaton);
  Determinizer dfa(*automaton, classes);
  const std::string too_large = fmt::format(
      "its table would have more than {} states or {} KiB: make it simpler, or compare with prefix, suffix or contains",
      kMaxDfaStates, kMaxDfaSize >> 10);
  if (!dfa.run()) return failed(too_large);
  if (!fits(dfa, classes.sample.size()) && (!minimize(dfa, classes.sample.size()) || !fits(dfa, classes.sample.size())))
    return failed(too_large);
  return table(dfa, classes);
}

bool dfa_matches(std::string_view dfa, std::string_view text) {
  DfaHeader header;
  std::memcpy(&header, dfa.data(), sizeof header);
  const char* class_of = dfa.data() + sizeof header;
  const char* accept = class_of + 256;
  const char* next = accept + ((header.states + 3) & ~3u);
  std::size_t state = header.start;
  for (std::size_t i = 0;; ++i) {
    const auto kind = static_cast<std::uint8_t>(accept[state]);
    if (kind == kAcceptNow) return true;
    if (i == text.size()) return kind == kAcceptAtEnd;
    const auto byte_class = static_cast<std::uint8_t>(class_of[static_cast<std::uint8_t>(text[i])]);
    std::uint16_t target;
    std::memcpy(&target, next + 2 * (state * header.classes + byte_class), sizeof target);
    state = target;
  }
}

}  // namespace sandbox_run::hooks
