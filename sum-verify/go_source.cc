#include "sum-verify/go_source.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {
namespace {

bool is_identifier_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Walks over the text byte by byte and knows the line it is on.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool starts_with(std::string_view prefix) const { return text_.substr(at_).starts_with(prefix); }
  std::size_t position() const { return at_; }
  int line() const { return line_; }
  int column() const { return static_cast<int>(at_ - line_start_) + 1; }
  std::string_view from(std::size_t start) const { return text_.substr(start, at_ - start); }

  void advance() {
    if (done()) return;
    if (text_[at_++] == '\n') {
      ++line_;
      line_start_ = at_;
    }
  }
  void advance(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) advance();
  }
  void skip_to_end_of_line() { at_ = std::min(text_.find('\n', at_), text_.size()); }
  // Over bytes that neither begin a comment or literal nor end a line.
  void skip_plain() {
    const auto is_plain = [](char c) { return c != '/' && c != '"' && c != '`' && c != '\'' && c != '\n'; };
    while (at_ < text_.size() && is_plain(text_[at_])) ++at_;
  }
  // To behind `end`, or to the end of the text.
  void skip_past(std::string_view end) {
    const std::size_t found = text_.find(end, at_);
    const std::size_t target = found == std::string_view::npos ? text_.size() : found + end.size();
    while (at_ < target) advance();
  }
  // A "…", `…` or '…' literal, quotes included; it ends at the end of the line where it is not closed (but for `…`).
  std::string_view take_literal() {
    const std::size_t start = at_;
    const char quote = peek();
    advance();
    if (quote == '`') {
      skip_past("`");
      return from(start);
    }
    while (!done() && peek() != '\n') {
      const char c = peek();
      advance();
      if (c == quote) break;
      if (c == '\\' && peek() != '\n') advance();
    }
    return from(start);
  }
  std::string_view take_identifier() {
    const std::size_t start = at_;
    while (!done() && is_identifier_byte(peek())) ++at_;
    return from(start);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
};

class Scanner {
 public:
  explicit Scanner(std::string_view text) : cursor_(text) {}

  GoSource scan() {
    if (cursor_.starts_with("\xEF\xBB\xBF")) cursor_.advance(3);
    read_header();
    read_rest();
    return std::move(source_);
  }

 private:
  void take_comment() {
    const int line = cursor_.line(), column = cursor_.column();
    const std::size_t start = cursor_.position();
    const bool block = cursor_.starts_with("/*");
    if (block) {
      cursor_.advance(2);
      cursor_.skip_past("*/");
    } else {
      cursor_.skip_to_end_of_line();
    }
    std::string_view text = cursor_.from(start);
    // "/*/" is a comment that was opened and not closed.
    if (block && text.size() >= 4 && text.ends_with("*/")) text.remove_suffix(2);
    while (text.ends_with('\r')) text.remove_suffix(1);
    const bool line_directive = text.substr(2).starts_with("line ") && text.find("_cgo_") != std::string_view::npos;
    std::size_t* kept = text.starts_with("//go:cgo_")        ? &cgo_directives_
                        : text.starts_with("//go:linkname ") ? &linknames_
                        : line_directive                     ? &line_directives_
                                                             : nullptr;
    if (kept != nullptr && ++*kept <= kMostDirectives) source_.directives.push_back({std::string(text), line, column});
  }

  bool at_comment() const { return cursor_.starts_with("//") || cursor_.starts_with("/*"); }

  // Semicolons are never needed to understand imports and count as white space, as in go/build.
  void skip_blank() {
    while (!cursor_.done()) {
      const char c = cursor_.peek();
      if (at_comment()) {
        take_comment();
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == ';') {
        cursor_.advance();
      } else {
        return;
      }
    }
  }

  bool take_keyword(std::string_view keyword) {
    skip_blank();
    if (!cursor_.starts_with(keyword)) return false;
    Cursor ahead = cursor_;
    if (ahead.take_identifier() != keyword) return false;
    cursor_ = ahead;
    return true;
  }

  void read_header() {
    if (!take_keyword("package")) return;
    skip_blank();
    source_.package = cursor_.take_identifier();
    while (take_keyword("import")) {
      skip_blank();
      if (cursor_.peek() != '(') {
        if (!read_import()) return;
        continue;
      }
      cursor_.advance();
      for (skip_blank(); !cursor_.done() && cursor_.peek() != ')'; skip_blank()) {
        if (!read_import()) return;
      }
      cursor_.advance();
    }
  }

  bool read_import() {
    skip_blank();
    if (cursor_.peek() == '.') {
      cursor_.advance();
    } else {
      cursor_.take_identifier();
    }
    skip_blank();
    if (cursor_.peek() != '"' && cursor_.peek() != '`') return false;
    const int line = cursor_.line();
    if (auto path = unquote(cursor_.take_literal())) source_.imports.push_back({std::move(*path), line});
    return source_.imports.size() < kMostImports;
  }

  void read_rest() {
    while (!cursor_.done()) {
      const char c = cursor_.peek();
      if (at_comment()) {
        take_comment();
      } else if (c == '"' || c == '`' || c == '\'') {
        cursor_.take_literal();
      } else {
        cursor_.advance();
        cursor_.skip_plain();
      }
    }
  }

  // What more there is changes nothing: one directive is refused like many, and an import that is not followed is of a
  // module that the build does not get.
  static constexpr std::size_t kMostDirectives = 100, kMostImports = 100'000;
  Cursor cursor_;
  GoSource source_;
  std::size_t cgo_directives_ = 0, linknames_ = 0, line_directives_ = 0;
};

void measure_lines(std::string_view text, GoSource& source) {
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t bytes = take_line(text).size();
    if (bytes > source.longest_line_bytes) {
      source.longest_line_bytes = bytes;
      source.longest_line = number;
    }
  }
}

void skip_assembly_blank(Cursor& cursor) {
  while (!cursor.done()) {
    const char c = cursor.peek();
    if (cursor.starts_with("//")) {
      cursor.skip_to_end_of_line();
    } else if (cursor.starts_with("/*")) {
      cursor.advance(2);
      cursor.skip_past("*/");
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v') {
      cursor.advance();
    } else {
      return;
    }
  }
}

}  // namespace

bool GoSource::imports_c() const {
  return std::any_of(imports.begin(), imports.end(), [](const GoImport& import) { return import.path == "C"; });
}

GoSource scan_go_source(std::string_view text) {
  GoSource source = Scanner(text).scan();
  measure_lines(text, source);
  return source;
}

std::vector<AssemblyInclude> scan_assembly_includes(std::string_view text) {
  std::vector<AssemblyInclude> includes;
  Cursor cursor(text);
  for (skip_assembly_blank(cursor); !cursor.done(); skip_assembly_blank(cursor)) {
    const char c = cursor.peek();
    if (c == '"' || c == '`' || c == '\'') {
      cursor.take_literal();
      continue;
    }
    cursor.advance();
    if (c != '#') continue;
    skip_assembly_blank(cursor);
    if (cursor.take_identifier() != "include") continue;
    skip_assembly_blank(cursor);
    const int line = cursor.line();
    if (cursor.peek() == '"' || cursor.peek() == '`') {
      const std::string_view literal = cursor.take_literal();
      includes.push_back({unquote(literal).value_or(std::string(literal)), line});
    } else if (cursor.peek() == '<') {
      const std::size_t start = cursor.position() + 1;
      cursor.skip_to_end_of_line();
      std::string_view name = cursor.from(start);
      includes.push_back({std::string(name.substr(0, name.find('>'))), line});
    }
  }
  return includes;
}

}  // namespace sandbox_run::sum_verify
