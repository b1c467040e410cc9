// Automaton: a regular expression as a nondeterministic automaton over bytes. Text is UTF-8, so a class of characters
// becomes sequences of byte ranges.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "hooks/regexp_syntax.h"

namespace sandbox_run::hooks {

struct AutomatonState {
  enum class Kind { bytes, split, text_begin, text_end, word_boundary, no_word_boundary, match };
  Kind kind = Kind::match;
  std::uint8_t low = 0;  // bytes
  std::uint8_t high = 0;
  std::uint32_t next = 0;
  std::uint32_t other = 0;  // split: the second way on
};

struct Automaton {
  std::vector<AutomatonState> states;
  std::uint32_t start = 0;
};

// Fails with: Fault::input where it takes more than kMaxAutomatonStates.
Result<Automaton> automaton_of(const RegexpNode& expression);
constexpr std::size_t kMaxAutomatonStates = 20'000;

}  // namespace sandbox_run::hooks
