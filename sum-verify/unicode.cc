#include "sum-verify/unicode.h"

#include <algorithm>
#include <iterator>

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

constexpr char32_t kInvalid = 0xFFFD;

// Length of the sequence that `lead` starts, with the bits it contributes and the least rune of that length.
struct Sequence {
  int length;
  char32_t bits;
  char32_t least;
};
Sequence sequence(unsigned char lead) {
  if (lead < 0x80) return {1, lead, 0};
  if (lead >= 0xC2 && lead <= 0xDF) return {2, lead & 0x1Fu, 0x80};
  if (lead >= 0xE0 && lead <= 0xEF) return {3, lead & 0x0Fu, 0x800};
  if (lead >= 0xF0 && lead <= 0xF4) return {4, lead & 0x07u, 0x10000};
  return {0, 0, 0};
}

// The length of the valid sequence at the front of `text`, 0 where there is none.
int decode(std::string_view text, char32_t& rune) {
  const Sequence head = sequence(static_cast<unsigned char>(text[0]));
  if (head.length == 0 || text.size() < static_cast<std::size_t>(head.length)) return 0;
  rune = head.bits;
  for (int i = 1; i < head.length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0) != 0x80) return 0;
    rune = rune << 6 | (byte & 0x3Fu);
  }
  if (rune < head.least || rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF)) return 0;
  return head.length;
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
  char32_t rune = kInvalid;
  const int length = decode(text, rune);
  text.remove_prefix(length == 0 ? 1 : static_cast<std::size_t>(length));
  return length == 0 ? kInvalid : rune;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    char32_t rune = 0;
    const int length = decode(text, rune);
    if (length == 0) return false;
    text.remove_prefix(static_cast<std::size_t>(length));
  }
  return true;
}

char32_t fold_rune(char32_t rune) {
  if (rune < 0x80) return rune >= 'A' && rune <= 'Z' ? rune + ('a' - 'A') : rune;
  const FoldRange* range = find_range(kFolds, rune);
  if (range == nullptr || (rune - range->low) % range->stride != 0) return rune;
  return static_cast<char32_t>(static_cast<std::int64_t>(rune) + range->delta);
}

void append_rune(std::string& text, char32_t rune) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (rune < 0x80) {
    put(rune);
  } else if (rune < 0x800) {
    put(0xC0 | rune >> 6);
    put(0x80 | (rune & 0x3F));
  } else if (rune < 0x10000) {
    put(0xE0 | rune >> 12);
    put(0x80 | (rune >> 6 & 0x3F));
    put(0x80 | (rune & 0x3F));
  } else {
    put(0xF0 | rune >> 18);
    put(0x80 | (rune >> 12 & 0x3F));
    put(0x80 | (rune >> 6 & 0x3F));
    put(0x80 | (rune & 0x3F));
  }
}

}  // namespace sandbox_run::sum_verify
