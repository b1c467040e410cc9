#include "sum-verify/semver.h"

#include <algorithm>

#include "base/text.h"

namespace sandbox_run::sum_verify {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_identifier_char(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-'; }

// Takes a decimal number without leading zeros off the front.
bool take_number(std::string_view& text, std::string_view& number) {
  std::size_t length = 0;
  while (length < text.size() && is_digit(text[length])) ++length;
  if (length == 0 || (text[0] == '0' && length > 1)) return false;
  number = text.substr(0, length);
  text.remove_prefix(length);
  return true;
}

bool is_number(std::string_view text) { return std::all_of(text.begin(), text.end(), is_digit); }

// Takes "-a.b.1" (or "+a.b" with `leading_zeros` allowed) off the front: dot-separated, no identifier empty.
bool take_identifiers(std::string_view& text, char stop, bool leading_zeros, std::string_view& taken) {
  std::size_t end = 1, start = 1;
  const auto good = [&](std::string_view identifier) {
    if (identifier.empty()) return false;
    return leading_zeros || identifier.size() == 1 || identifier[0] != '0' || !is_number(identifier);
  };
  for (; end < text.size() && text[end] != stop; ++end) {
    if (text[end] == '.') {
      if (!good(text.substr(start, end - start))) return false;
      start = end + 1;
    } else if (!is_identifier_char(text[end])) {
      return false;
    }
  }
  if (!good(text.substr(start, end - start))) return false;
  taken = text.substr(0, end);
  text.remove_prefix(end);
  return true;
}

std::string_view take_identifier(std::string_view& text) {
  text.remove_prefix(1);  // '-' or '.'
  const std::string_view identifier = text.substr(0, text.find('.'));
  text.remove_prefix(identifier.size());
  return identifier;
}

int compare_prerelease(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  if (a.empty()) return 1;  // a release follows its prereleases
  if (b.empty()) return -1;
  while (!a.empty() && !b.empty()) {
    const std::string_view x = take_identifier(a), y = take_identifier(b);
    if (x == y) continue;
    if (is_number(x) != is_number(y)) return is_number(x) ? -1 : 1;
    return is_number(x) ? compare_numbers(x, y) : x.compare(y);
  }
  return a.empty() ? -1 : 1;
}

}  // namespace

std::optional<Semver> parse_semver(std::string_view text) {
  Semver version{.minor = "0", .patch = "0"};
  if (text.empty() || text[0] != 'v') return std::nullopt;
  text.remove_prefix(1);
  if (!take_number(text, version.major)) return std::nullopt;
  for (std::string_view* part : {&version.minor, &version.patch}) {
    if (text.empty()) {
      version.is_short = true;
      return version;
    }
    if (text[0] != '.') return std::nullopt;
    text.remove_prefix(1);
    if (!take_number(text, *part)) return std::nullopt;
  }
  if (!text.empty() && text[0] == '-' && !take_identifiers(text, '+', false, version.prerelease)) return std::nullopt;
  if (!text.empty() && text[0] == '+' && !take_identifiers(text, '\0', true, version.build)) return std::nullopt;
  if (!text.empty()) return std::nullopt;
  return version;
}

int compare_semver(std::string_view a, std::string_view b) {
  const auto x = parse_semver(a), y = parse_semver(b);
  if (!x || !y) return static_cast<int>(x.has_value()) - static_cast<int>(y.has_value());
  if (const int order = compare_numbers(x->major, y->major)) return order;
  if (const int order = compare_numbers(x->minor, y->minor)) return order;
  if (const int order = compare_numbers(x->patch, y->patch)) return order;
  return compare_prerelease(x->prerelease, y->prerelease);
}

std::string canonical_version(std::string_view text) {
  const auto version = parse_semver(text);
  if (!version) return "";
  std::string canonical;
  for (const std::string_view part : {std::string_view("v"), version->major, std::string_view("."), version->minor,
                                      std::string_view("."), version->patch, version->prerelease}) {
    canonical += part;
  }
  if (version->build == "+incompatible") canonical += version->build;
  return canonical;
}

std::string semver_major(std::string_view text) {
  const auto version = parse_semver(text);
  return version ? "v" + std::string(version->major) : "";
}

}  // namespace sandbox_run::sum_verify
