#include "ingest/go_text.h"

#include <algorithm>
#include <iterator>

namespace sandbox_run::ingest {
namespace {

constexpr std::string_view kGoArch =
#if defined(__x86_64__)
    "amd64";
#elif defined(__aarch64__)
    "arm64";
#else
#error "name this machine's GOARCH here"
#endif

// Every GOOS and GOARCH a file name may end in: internal/syslist of the Go distribution.
constexpr std::string_view kKnownOs[] = {"aix",     "android", "darwin",  "dragonfly", "freebsd", "hurd",
                                         "illumos", "ios",     "js",      "linux",     "nacl",    "netbsd",
                                         "openbsd", "plan9",   "solaris", "wasip1",    "windows", "zos"};
constexpr std::string_view kKnownArch[] = {"386",       "amd64",       "amd64p32", "arm",    "armbe",   "arm64",
                                           "arm64be",   "loong64",     "mips",     "mipsle", "mips64",  "mips64le",
                                           "mips64p32", "mips64p32le", "ppc",      "ppc64",  "ppc64le", "riscv",
                                           "riscv64",   "s390",        "s390x",    "sparc",  "sparc64", "wasm"};

bool among(const auto& list, std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

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

void note_build_line(std::string_view comment, GoHead& head) {
  if (comment.starts_with("//go:build ") && head.go_build.empty()) head.go_build = trimmed(comment.substr(11));
  comment = trimmed(comment.substr(2));
  if (comment.starts_with("+build ")) head.plus_build.emplace_back(trimmed(comment.substr(7)));
}

bool tag_matches(std::string_view tag, const std::vector<std::string>& tags) {
  if (tag == "linux" || tag == "unix" || tag == "gc" || tag == kGoArch) return true;
  if (tag.starts_with("go1.")) return true;
  return among(tags, tag);
}

// expr = and { "||" and }; and = not { "&&" not }; not = "!" not | "(" expr ")" | tag.
class BuildExpression {
 public:
  BuildExpression(std::string_view text, const std::vector<std::string>& tags) : rest_(text), tags_(tags) {}
  bool evaluate() {
    const bool value = either(0);
    return value && !malformed_ && trimmed(rest_).empty();
  }

 private:
  bool either(int depth) {
    bool value = both(depth);
    while (take("||")) value = both(depth) || value;
    return value;
  }
  bool both(int depth) {
    bool value = operand(depth);
    while (take("&&")) value = operand(depth) && value;
    return value;
  }
  bool operand(int depth) {
    if (malformed_ || depth > 100) return fail();
    if (take("!")) return !operand(depth + 1);
    if (take("(")) {
      const bool value = either(depth + 1);
      return take(")") ? value : fail();
    }
    std::size_t length = 0;
    while (length < rest_.size() && (is_word(rest_[length]) || rest_[length] == '.')) ++length;
    if (length == 0) return fail();
    const std::string_view tag = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return tag_matches(tag, tags_);
  }
  bool take(std::string_view token) {
    rest_ = trimmed(rest_);
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  bool fail() {
    malformed_ = true;
    return false;
  }

  std::string_view rest_;
  const std::vector<std::string>& tags_;
  bool malformed_ = false;
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find(separator, start), text.size());
    if (end > start) parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

}  // namespace

GoHead read_go_head(std::string_view text) {
  GoHead head;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  bool keyword = false;
  for (std::size_t at = 0; at < text.size();) {
    if (is_blank(text[at]) || (keyword && text[at] == ';')) {
      ++at;
    } else if (comment_at(text, at)) {
      const std::size_t end = comment_end(text, at);
      if (!keyword && text[at + 1] == '/') note_build_line(trimmed(text.substr(at, end - at)), head);
      at = end;
    } else {
      std::size_t end = at;
      while (end < text.size() && is_word(text[end])) ++end;
      const std::string_view word = text.substr(at, end - at);
      if (keyword) {
        head.package = word;
        return head;
      }
      if (word != "package") return head;
      keyword = true;
      at = end;
    }
  }
  return head;
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

bool go_build_matches(std::string_view expression, const std::vector<std::string>& tags) {
  return BuildExpression(expression, tags).evaluate();
}

bool plus_build_matches(const std::vector<std::string>& lines, const std::vector<std::string>& tags) {
  // Lines are and-ed, options in a line or-ed, terms in an option and-ed.
  return std::all_of(lines.begin(), lines.end(), [&](const std::string& line) {
    const auto options = split(line, ' ');
    return std::any_of(options.begin(), options.end(), [&](std::string_view option) {
      const auto terms = split(option, ',');
      return std::all_of(terms.begin(), terms.end(), [&](std::string_view term) {
        const bool negated = term.starts_with('!');
        return tag_matches(term.substr(negated), tags) != negated;
      });
    });
  });
}

bool file_name_matches(std::string_view name) {
  if (!name.ends_with(".go") || name.front() == '_' || name.front() == '.') return false;
  const std::string_view stem = name.substr(0, name.find('.'));
  if (name.ends_with("_test.go")) return false;
  const std::size_t underscore = stem.find('_');
  if (underscore == std::string_view::npos) return true;
  const auto parts = split(stem.substr(underscore), '_');
  if (parts.empty()) return true;
  const std::string_view last = parts.back();
  if (parts.size() >= 2 && among(kKnownOs, parts[parts.size() - 2]) && among(kKnownArch, last))
    return parts[parts.size() - 2] == "linux" && last == kGoArch;
  if (among(kKnownOs, last)) return last == "linux";
  if (among(kKnownArch, last)) return last == kGoArch;
  return true;
}

}  // namespace sandbox_run::ingest
