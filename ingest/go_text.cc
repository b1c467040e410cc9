#include "ingest/go_text.h"

namespace sandbox_run::ingest {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// The end of the comment that starts at `at`, past its newline or "*/".
std::size_t comment_end(std::string_view text, std::size_t at) {
  const bool line = text[at + 1] == '/';
  const std::size_t end = line ? text.find('\n', at) : text.find("*/", at + 2);
  if (end == std::string_view::npos) return text.size();
  return end + (line ? 1 : 2);
}

bool comment_at(std::string_view text, std::size_t at) {
  return at + 1 < text.size() && text[at] == '/' && (text[at + 1] == '/' || text[at + 1] == '*');
}

// The end of the string or rune literal at `at`. An interpreted one ends at its line's end at the latest.
std::size_t literal_end(std::string_view text, std::size_t at) {
  const char quote = text[at++];
  for (; at < text.size(); ++at) {
    if (text[at] == quote) return at + 1;
    if (quote == '`') continue;
    if (text[at] == '\n') return at;
    if (text[at] == '\\') ++at;
  }
  return text.size();
}

}  // namespace

std::string package_clause(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  bool keyword = false;
  for (std::size_t at = 0; at < text.size();) {
    if (is_blank(text[at]) || (keyword && text[at] == ';')) {
      ++at;
    } else if (comment_at(text, at)) {
      at = comment_end(text, at);
    } else {
      std::size_t end = at;
      while (end < text.size() && is_word(text[end])) ++end;
      const std::string_view word = text.substr(at, end - at);
      if (keyword) return std::string(word);
      if (word != "package") return "";
      keyword = true;
      at = end;
    }
  }
  return "";
}

bool inside_literal(std::string_view text, std::size_t offset) {
  for (std::size_t at = 0; at < offset && at < text.size();) {
    const char c = text[at];
    std::size_t end = at + 1;
    if (comment_at(text, at)) {
      end = comment_end(text, at);
    } else if (c == '"' || c == '`' || c == '\'') {
      end = literal_end(text, at);
    }
    if (end > offset) return true;
    at = end;
  }
  return false;
}

}  // namespace sandbox_run::ingest
