#include "ingest/name_key.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "base/text.h"

namespace sandbox_run::ingest {
namespace {

struct Folding {
  char32_t from;
  char32_t to[4];  // zero-terminated unless full
};
struct CombiningRange {
  char32_t first, last;
  std::uint8_t combining_class;
};

#include "ingest/unicode_tables.inc"

const Folding* folding_of(char32_t point) {
  auto at = std::lower_bound(std::begin(kFoldings), std::end(kFoldings), point,
                             [](const Folding& row, char32_t wanted) { return row.from < wanted; });
  return at != std::end(kFoldings) && at->from == point ? at : nullptr;
}

int combining_class(char32_t point) {
  auto at = std::lower_bound(std::begin(kCombining), std::end(kCombining), point,
                             [](const CombiningRange& row, char32_t wanted) { return row.last < wanted; });
  return at != std::end(kCombining) && at->first <= point ? at->combining_class : 0;
}

// Hangul syllables decompose by arithmetic (Unicode Standard 3.12).
void append_hangul(std::vector<char32_t>& out, char32_t syllable) {
  const char32_t index = syllable - 0xAC00;
  out.push_back(0x1100 + index / 588);
  out.push_back(0x1161 + index % 588 / 28);
  if (index % 28 != 0) out.push_back(0x11A7 + index % 28);
}

void append_folded(std::vector<char32_t>& out, char32_t point) {
  if (point < 0x80) {
    out.push_back(point >= 'A' && point <= 'Z' ? point + 32 : point);
  } else if (point >= 0xAC00 && point < 0xD7A4) {
    append_hangul(out, point);
  } else if (const Folding* row = folding_of(point)) {
    for (char32_t part : row->to)
      if (part != 0) out.push_back(part);
  } else {
    out.push_back(point);
  }
}

// Canonical ordering: within each run of combining marks, a stable sort by class.
void order_canonically(std::vector<char32_t>& points) {
  for (auto run = points.begin(); run != points.end();) {
    if (combining_class(*run) == 0) {
      ++run;
      continue;
    }
    auto end = std::find_if(run, points.end(), [](char32_t point) { return combining_class(point) == 0; });
    std::stable_sort(run, end, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    run = end;
  }
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::string name_key(std::string_view name) {
  std::string key;
  key.reserve(name.size());
  if (is_ascii(name)) {
    for (char c : name) key.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    return key;
  }
  std::vector<char32_t> points;
  while (!name.empty()) {
    if (auto point = next_code_point(name)) {
      append_folded(points, *point);
    } else {
      points.push_back(0x110000 + static_cast<unsigned char>(name.front()));  // no code point: equal only to itself
      name.remove_prefix(1);
    }
  }
  order_canonically(points);
  for (char32_t point : points) {
    if (point < 0x110000)
      append_utf8(key, point);
    else
      key.push_back(static_cast<char>(point - 0x110000));
  }
  return key;
}

}  // namespace sandbox_run::ingest
