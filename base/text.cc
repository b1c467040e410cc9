#include "base/text.h"

#include <fmt/format.h>

namespace sandbox_run {
namespace {

// How many bytes the character that `lead` begins has; 0 where none begins with it.
std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

bool must_escape(char32_t point) {
  if (point == '\t') return false;
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x061C || point == 0x200E || point == 0x200F ||
         (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069) || point == 0xFEFF;
}

}  // namespace

std::optional<char32_t> next_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = sequence_length(byte(0));
  if (length == 0 || text.size() < length) return std::nullopt;
  char32_t point = length == 1 ? byte(0) : byte(0) & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return std::nullopt;
    point = point << 6 | (byte(i) & 0x3Fu);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kSmallest[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return std::nullopt;
  text.remove_prefix(length);
  return point;
}

void append_utf8(std::string& text, char32_t point) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | point >> 6);
  } else if (point < 0x10000) {
    put(0xE0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3F));
  } else {
    put(0xF0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3F));
    put(0x80 | (point >> 6 & 0x3F));
  }
  put(0x80 | (point & 0x3F));
}

std::size_t valid_utf8_prefix(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty() && next_code_point(rest)) {
  }
  return text.size() - rest.size();
}

bool is_valid_utf8(std::string_view text) { return valid_utf8_prefix(text) == text.size(); }

bool is_cut_character(std::string_view text) {
  // Some continuation makes it whole; the extremes show it, for what they may be depends on the second byte alone.
  if (text.empty() || text.size() >= sequence_length(static_cast<unsigned char>(text[0]))) return false;
  for (const char continuation : {'\x80', '\x8F', '\x90', '\x9F', '\xA0', '\xBF'}) {
    std::string whole(text);
    while (whole.size() < sequence_length(static_cast<unsigned char>(text[0]))) whole += continuation;
    if (is_valid_utf8(whole)) return true;
  }
  return false;
}

std::string escape_line(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  while (!line.empty()) {
    const std::string_view before = line;
    const std::optional<char32_t> point = next_code_point(line);
    if (!point) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(line.front()));
      line.remove_prefix(1);
    } else if (!must_escape(*point)) {
      out += before.substr(0, before.size() - line.size());
    } else {
      const auto number = static_cast<unsigned>(*point);
      out += number < 0x80 ? fmt::format("\\x{:02x}", number) : fmt::format("\\u{:04x}", number);
    }
  }
  return out;
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

int compare_numbers(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

}  // namespace sandbox_run
