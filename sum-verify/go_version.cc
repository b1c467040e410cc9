#include "sum-verify/go_version.h"

#include <optional>

#include "base/text.h"

namespace sandbox_run::sum_verify {
namespace {

struct Parts {
  std::string_view major, minor = "0", patch, kind, pre;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool take_number(std::string_view& text, std::string_view& number) {
  std::size_t length = 0;
  while (length < text.size() && is_digit(text[length])) ++length;
  if (length == 0 || (text[0] == '0' && length > 1)) return false;
  number = text.substr(0, length);
  text.remove_prefix(length);
  return true;
}

std::optional<Parts> parse(std::string_view text) {
  Parts parts;
  if (!take_number(text, parts.major)) return std::nullopt;
  if (text.empty()) {
    parts.patch = "0";
    return parts;
  }
  if (text[0] != '.') return std::nullopt;
  text.remove_prefix(1);
  if (!take_number(text, parts.minor)) return std::nullopt;
  if (text.empty()) {
    // Before 1.21 there was no 1.N.0: 1.N was the release itself.
    if (compare_numbers(parts.minor, "21") < 0) parts.patch = "0";
    return parts;
  }
  if (text[0] == '.') {
    text.remove_prefix(1);
    if (!take_number(text, parts.patch) || !text.empty()) return std::nullopt;
    return parts;
  }
  std::size_t letters = 0;
  while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
  if (letters == 0) return std::nullopt;
  parts.kind = text.substr(0, letters);
  text.remove_prefix(letters);
  if (text.empty()) return parts;
  if (!take_number(text, parts.pre) || !text.empty()) return std::nullopt;
  return parts;
}

}  // namespace

// ^([1-9]\d*)\.(0|[1-9]\d*)(\.(0|[1-9]\d*))?([a-z]+\d+)?$
bool is_go_version(std::string_view text) {
  std::string_view number;
  if (text.starts_with('0') || !take_number(text, number)) return false;
  if (!text.starts_with('.')) return false;
  text.remove_prefix(1);
  if (!take_number(text, number)) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (!take_number(text, number)) return false;
  }
  if (text.empty()) return true;
  std::size_t at = 0;
  while (at < text.size() && text[at] >= 'a' && text[at] <= 'z') ++at;
  const std::size_t letters = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  return letters > 0 && at > letters && at == text.size();
}

int compare_go_versions(std::string_view a, std::string_view b) {
  const auto x = parse(a), y = parse(b);
  if (!x || !y) return static_cast<int>(x.has_value()) - static_cast<int>(y.has_value());
  if (const int order = compare_numbers(x->major, y->major)) return order;
  if (const int order = compare_numbers(x->minor, y->minor)) return order;
  if (const int order = compare_numbers(x->patch, y->patch)) return order;
  if (const int order = x->kind.compare(y->kind)) return order;
  return compare_numbers(x->pre, y->pre);
}

int go_minor(std::string_view version) {
  const auto parts = parse(version);
  if (!parts || parts->major != "1" || parts->minor.size() > 4) return 0;
  int minor = 0;
  for (const char c : parts->minor) minor = minor * 10 + (c - '0');
  return minor;
}

}  // namespace sandbox_run::sum_verify
