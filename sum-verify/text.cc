#include "sum-verify/text.h"

#include <algorithm>

#include "base/text.h"
#include "sum-verify/unicode.h"

namespace sandbox_run::sum_verify {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Takes `count` digits of `base` off the front; nullopt where there are fewer.
std::optional<char32_t> take_number(std::string_view& text, int count, int base) {
  char32_t value = 0;
  if (text.size() < static_cast<std::size_t>(count)) return std::nullopt;
  for (int i = 0; i < count; ++i) {
    const int digit = hex_digit(text[i]);
    if (digit < 0 || digit >= base) return std::nullopt;
    value = value * static_cast<char32_t>(base) + static_cast<char32_t>(digit);
  }
  text.remove_prefix(static_cast<std::size_t>(count));
  return value;
}

// The escape sequence at the front of `text`, its backslash gone.
bool take_escape(std::string_view& text, std::string& out) {
  if (text.empty()) return false;
  constexpr std::string_view kNames = "abfnrtv\\\"", kValues = "\a\b\f\n\r\t\v\\\"";
  const char c = text[0];
  if (const std::size_t at = kNames.find(c); at != std::string_view::npos) {
    out += kValues[at];
    text.remove_prefix(1);
    return true;
  }
  if (c >= '0' && c <= '7') {
    const auto value = take_number(text, 3, 8);
    if (!value || *value > 255) return false;
    out += static_cast<char>(*value);
    return true;
  }
  if (c != 'x' && c != 'u' && c != 'U') return false;
  text.remove_prefix(1);
  const auto value = take_number(text, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16);
  if (!value) return false;
  if (c == 'x') {
    out += static_cast<char>(*value);
    return true;
  }
  if (*value > 0x10FFFF || (*value >= 0xD800 && *value <= 0xDFFF)) return false;
  append_utf8(out, *value);
  return true;
}

}  // namespace

std::vector<std::string_view> fields(std::string_view text) {
  std::vector<std::string_view> found;
  const char* start = nullptr;
  while (!text.empty()) {
    const char* here = text.data();
    const bool space = is_space(next_rune(text));
    if (space && start != nullptr) {
      found.emplace_back(start, static_cast<std::size_t>(here - start));
      start = nullptr;
    } else if (!space && start == nullptr) {
      start = here;
    }
  }
  if (start != nullptr) found.emplace_back(start, static_cast<std::size_t>(text.data() - start));
  return found;
}

std::optional<std::string> unquote(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != literal.back()) return std::nullopt;
  std::string_view body = literal.substr(1, literal.size() - 2);
  std::string out;
  if (literal.front() == '`') {
    if (body.find('`') != std::string_view::npos) return std::nullopt;
    std::copy_if(body.begin(), body.end(), std::back_inserter(out), [](char c) { return c != '\r'; });
    return out;
  }
  if (literal.front() != '"') return std::nullopt;
  while (!body.empty()) {
    const char c = body[0];
    if (c == '"' || c == '\n') return std::nullopt;
    if (c != '\\') {
      append_utf8(out, next_rune(body));  // invalid UTF-8 becomes U+FFFD, as in Go
      continue;
    }
    body.remove_prefix(1);
    if (!take_escape(body, out)) return std::nullopt;
  }
  return out;
}

std::string quote(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return '"' + escape_line(escaped) + '"';
}

std::optional<std::string> resolve_inside(std::string_view path) {
  if (path.starts_with('/')) return std::nullopt;
  std::vector<std::string_view> kept;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view element = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (element.empty() || element == ".") continue;
    if (element != "..") {
      kept.push_back(element);
    } else if (kept.empty()) {
      return std::nullopt;
    } else {
      kept.pop_back();
    }
  }
  std::string out;
  for (const std::string_view element : kept) out += (out.empty() ? "" : "/") + std::string(element);
  return out.empty() ? "." : out;
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty() || directory == ".") return name.empty() ? "." : std::string(name);
  if (name.empty() || name == ".") return std::string(directory);
  return std::string(directory) + "/" + std::string(name);
}

}  // namespace sandbox_run::sum_verify
