#include "sum-verify/unicode.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace sandbox_run::sum_verify {
namespace {

struct RuneRange {
  std::uint32_t low, high;
};
struct FoldRange {
  std::uint32_t low, high, stride;
  std::int32_t delta;
};

#include "sum-verify/unicode_tables.inc"

template <class Range, std::size_t N>
const Range* find_range(const Range (&ranges)[N], char32_t rune) {
  const Range* found = std::lower_bound(std::begin(ranges), std::end(ranges), rune,
                                        [](const Range& range, char32_t wanted) { return range.high < wanted; });
  return found != std::end(ranges) && found->low <= rune ? found : nullptr;
}

}  // namespace

bool is_letter(char32_t rune) {
  if (rune < 0x80) return (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');
  return find_range(kLetters, rune) != nullptr;
}

bool is_printable(char32_t rune) {
  if (rune < 0x80) return rune >= 0x20 && rune < 0x7F;
  return find_range(kPrintable, rune) != nullptr;
}

bool is_space(char32_t rune) {
  if (rune < 0x80) return rune == ' ' || (rune >= '\t' && rune <= '\r');
  return find_range(kSpaces, rune) != nullptr;
}

char32_t next_rune(std::string_view& text) {
  if (const auto point = next_code_point(text)) return *point;
  text.remove_prefix(1);
  return 0xFFFD;
}

char32_t fold_rune(char32_t rune) {
  if (rune < 0x80) return rune >= 'A' && rune <= 'Z' ? rune + ('a' - 'A') : rune;
  const FoldRange* range = find_range(kFolds, rune);
  if (range == nullptr || (rune - range->low) % range->stride != 0) return rune;
  return static_cast<char32_t>(static_cast<std::int64_t>(rune) + range->delta);
}

}  // namespace sandbox_run::sum_verify
