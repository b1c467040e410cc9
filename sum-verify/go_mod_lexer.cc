#include "sum-verify/go_mod_lexer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "sum-verify/unicode.h"

namespace sandbox_run::sum_verify {
namespace {

enum class Kind { word, punctuation, comment, end_of_line, end_of_file, error };

struct Token {
  Kind kind = Kind::end_of_file;
  std::string text;
  int line = 0;
  bool is(char c) const { return kind == Kind::punctuation && text[0] == c; }
  bool ends_line() const { return kind == Kind::end_of_line || kind == Kind::comment || kind == Kind::end_of_file; }
};

constexpr std::string_view kPunctuation = "()[]{},";

bool is_word_rune(char32_t rune) {
  if (rune < 0x80 && kPunctuation.find(static_cast<char>(rune)) != std::string_view::npos) return false;
  return !is_space(rune) && is_printable(rune);
}

class Lexer {
 public:
  Lexer(std::string_view text, std::vector<GoModProblem>& problems) : rest_(text), problems_(problems) {}

  Token next() {
    if (failed_) return {Kind::error, "", line_};
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\r')) skip(1);
    if (rest_.empty()) return {Kind::end_of_file, "", line_};
    if (rest_[0] == '\n') return newline();
    if (rest_.starts_with("//")) return comment();
    if (rest_.starts_with("/*")) return fail("mod files must use // comments (not /* */ comments)");
    if (kPunctuation.find(rest_[0]) != std::string_view::npos) return take(Kind::punctuation, 1);
    if (rest_[0] == '"' || rest_[0] == '`') return literal();
    return word();
  }

  Token fail(const std::string& message) {
    if (!failed_) problems_.push_back({line_, column_, message});
    failed_ = true;
    return {Kind::error, "", line_};
  }
  int line() const { return line_; }
  int column() const { return column_; }

 private:
  void skip(std::size_t bytes) {
    rest_.remove_prefix(bytes);
    column_ += static_cast<int>(bytes);
  }
  Token take(Kind kind, std::size_t bytes) {
    Token token{kind, std::string(rest_.substr(0, bytes)), line_};
    skip(bytes);
    return token;
  }
  Token newline() {
    Token token = take(Kind::end_of_line, 1);
    ++line_;
    column_ = 1;
    return token;
  }
  // A comment takes the end of its line with it.
  Token comment() {
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    Token token = take(Kind::comment, end);
    if (!rest_.empty()) newline();
    return token;
  }
  Token literal() {
    const char quote = rest_[0];
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\n') return fail("unexpected newline in string");
      if (rest_[i] == quote) return take(Kind::word, i + 1);
      if (rest_[i] == '\\' && quote == '"') ++i;
    }
    return fail("unexpected EOF in string");
  }
  Token word() {
    std::string_view ahead = rest_;
    while (!ahead.empty() && !ahead.starts_with("//")) {
      if (ahead.starts_with("/*")) return fail("mod files must use // comments (not /* */ comments)");
      std::string_view after = ahead;
      if (!is_word_rune(next_rune(after))) break;
      ahead = after;
    }
    const std::size_t bytes = rest_.size() - ahead.size();
    if (bytes == 0) return fail("unexpected input character");
    return take(Kind::word, bytes);
  }

  std::string_view rest_;
  std::vector<GoModProblem>& problems_;
  int line_ = 1;
  int column_ = 1;
  bool failed_ = false;
};

class Parser {
 public:
  Parser(std::string_view text, std::vector<GoModProblem>& problems) : lexer_(text, problems) {
    ahead_ = lexer_.next();
  }

  std::vector<GoModStatement> parse() {
    std::vector<GoModStatement> statements;
    while (ahead_.kind != Kind::end_of_file && ahead_.kind != Kind::error) {
      if (ahead_.ends_line()) {
        advance();
        continue;
      }
      std::optional<GoModStatement> statement = parse_statement();
      if (!statement) break;
      statements.push_back(std::move(*statement));
    }
    return statements;
  }

 private:
  Token advance() { return std::exchange(ahead_, lexer_.next()); }

  static void finish(GoModLine& line, const Token& end) {
    if (end.kind == Kind::comment) line.comment = end.text;
  }

  std::optional<GoModStatement> parse_statement() {
    GoModStatement statement;
    Token token = advance();
    statement.head.line = token.line;
    statement.head.tokens.push_back(token.text);
    while (true) {
      token = advance();
      if (token.kind == Kind::error) return std::nullopt;
      if (token.ends_line()) {
        finish(statement.head, token);
        return statement;
      }
      // A block only where the parenthesis ends its line; elsewhere it is a word like any other.
      if (token.is('(') && ahead_.ends_line()) return parse_block(std::move(statement));
      if (token.is('(') && ahead_.is(')')) {
        Token close = advance();
        if (ahead_.ends_line()) {
          advance();
          statement.is_block = true;
          return statement;
        }
        statement.head.tokens.push_back(token.text);
        token = std::move(close);
      }
      statement.head.tokens.push_back(token.text);
    }
  }

  std::optional<GoModStatement> parse_block(GoModStatement statement) {
    statement.is_block = true;
    while (true) {
      if (ahead_.kind == Kind::error) return std::nullopt;
      if (ahead_.kind == Kind::end_of_file) {
        lexer_.fail("syntax error (unterminated block started at line " + std::to_string(statement.head.line) + ")");
        return std::nullopt;
      }
      if (ahead_.ends_line()) {
        advance();
        continue;
      }
      if (ahead_.is(')')) {
        advance();
        if (!ahead_.ends_line()) {
          lexer_.fail("syntax error (expected newline after closing paren)");
          return std::nullopt;
        }
        advance();
        return statement;
      }
      GoModLine line;
      line.line = ahead_.line;
      Token token = advance();
      for (; !token.ends_line(); token = advance()) {
        if (token.kind == Kind::error) return std::nullopt;
        line.tokens.push_back(token.text);
      }
      finish(line, token);
      statement.lines.push_back(std::move(line));
    }
  }

  Lexer lexer_;
  Token ahead_;
};

}  // namespace

std::vector<GoModStatement> lex_go_mod(std::string_view text, std::vector<GoModProblem>& problems) {
  return Parser(text, problems).parse();
}

}  // namespace sandbox_run::sum_verify
