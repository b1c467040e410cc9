// RegexpNode: a regular expression as a tree. Source of the syntax: RE2's and Go's regexp/syntax documentation.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sandbox_run::hooks {

// Code points, as sorted and disjoint inclusive ranges.
using RuneRanges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

struct RegexpNode {
  enum class Kind { empty, runes, text_begin, text_end, word_boundary, no_word_boundary, sequence, choice, repeat };
  Kind kind = Kind::empty;
  RuneRanges runes;
  std::vector<RegexpNode> parts;  // sequence, choice; repeat has one
  int least = 0;                  // repeat
  int most = 0;                   // repeat; -1: no bound
};

// Fails with: Fault::input, with the offset in the pattern.
Result<RegexpNode> parse_regexp(std::string_view pattern);

}  // namespace sandbox_run::hooks
