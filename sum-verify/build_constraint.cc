#include "sum-verify/build_constraint.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "sum-verify/text.h"
#include "sum-verify/unicode.h"

namespace sandbox_run::sum_verify {
namespace {

// Every GOOS and GOARCH there ever was, for file names. Source: internal/syslist.
constexpr std::array<std::string_view, 18> kSystems = {
    "aix",   "android", "darwin", "dragonfly", "freebsd", "hurd",    "illumos", "ios",     "js",
    "linux", "nacl",    "netbsd", "openbsd",   "plan9",   "solaris", "wasip1",  "windows", "zos"};
constexpr std::array<std::string_view, 24> kArchitectures = {
    "386",     "amd64",  "amd64p32", "arm",      "armbe",     "arm64",       "arm64be", "loong64",
    "mips",    "mipsle", "mips64",   "mips64le", "mips64p32", "mips64p32le", "ppc",     "ppc64",
    "ppc64le", "riscv",  "riscv64",  "s390",     "s390x",     "sparc",       "sparc64", "wasm"};

template <class List>
bool contains(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

Truth both(Truth a, Truth b) { return std::min(a, b); }
Truth either(Truth a, Truth b) { return std::max(a, b); }
Truth negate(Truth a) { return a == Truth::maybe ? a : a == Truth::yes ? Truth::no : Truth::yes; }

bool is_tag_rune(char32_t rune) {
  return is_letter(rune) || (rune >= '0' && rune <= '9') || rune == '_' || rune == '.';
}

// Bytes of the tag that `text` begins with.
std::size_t tag_length(std::string_view text) {
  std::string_view ahead = text;
  while (!ahead.empty()) {
    std::string_view after = ahead;
    if (!is_tag_rune(next_rune(after))) break;
    ahead = after;
  }
  return text.size() - ahead.size();
}

class ExpressionParser {
 public:
  ExpressionParser(std::string_view text, const BuildContext& context) : rest_(text), context_(context) {}

  std::optional<Truth> parse() {
    const auto value = any_of();
    skip_spaces();
    return value && rest_.empty() ? value : std::nullopt;
  }

 private:
  static constexpr int kMaxDepth = 1000;  // Go's own

  void skip_spaces() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) rest_.remove_prefix(1);
  }
  bool take(std::string_view symbol) {
    skip_spaces();
    if (!rest_.starts_with(symbol)) return false;
    rest_.remove_prefix(symbol.size());
    return true;
  }
  std::optional<Truth> any_of() {
    auto value = all_of();
    while (value && take("||")) {
      const auto next = all_of();
      value = next ? std::optional(either(*value, *next)) : std::nullopt;
    }
    return value;
  }
  std::optional<Truth> all_of() {
    auto value = term();
    while (value && take("&&")) {
      const auto next = term();
      value = next ? std::optional(both(*value, *next)) : std::nullopt;
    }
    return value;
  }
  std::optional<Truth> term() {
    if (++depth_ > kMaxDepth) return std::nullopt;
    std::optional<Truth> value;
    if (take("!")) {
      value = rest_.starts_with('!') ? std::nullopt : term();  // Go refuses "!!"
      if (value) value = negate(*value);
    } else if (take("(")) {
      value = any_of();
      if (!take(")")) value = std::nullopt;
    } else {
      value = tag();
    }
    --depth_;
    return value;
  }
  std::optional<Truth> tag() {
    skip_spaces();
    const std::string_view name = rest_.substr(0, tag_length(rest_));
    rest_.remove_prefix(name.size());
    return name.empty() ? std::nullopt : std::optional(context_.tag(name));
  }

  std::string_view rest_;
  const BuildContext& context_;
  int depth_ = 0;
};

bool is_keyword_line(std::string_view line, std::string_view keyword) {
  if (!line.starts_with(keyword)) return false;
  return line.size() == keyword.size() || line[keyword.size()] == ' ' || line[keyword.size()] == '\t';
}

// "// +build a,b !c": commas are and, spaces are or. Malformed words never hold.
Truth evaluate_plus_build(std::string_view text, const BuildContext& context) {
  Truth any = Truth::no;
  for (std::string_view option : fields(text)) {
    Truth all = Truth::yes;
    while (!option.empty()) {
      const std::size_t comma = option.find(',');
      std::string_view name = option.substr(0, comma);
      option.remove_prefix(comma == std::string_view::npos ? option.size() : comma + 1);
      const bool negated = name.starts_with('!');
      if (negated) name.remove_prefix(1);
      if (name.empty() || name.starts_with('!')) {
        all = Truth::no;
      } else {
        all = both(all, negated ? negate(context.tag(name)) : context.tag(name));
      }
    }
    any = either(any, all);
  }
  return any;
}

// What stands before the code: the //go:build lines, and the comment lines where +build counts.
struct Header {
  std::vector<std::string_view> go_build;
  std::string_view plus_build_region;  // up to the last blank line before anything but // comments
};

// Takes comments off a trimmed line that is not wholly one; false where code begins.
bool only_comments(std::string_view line, bool& in_block) {
  while (!line.empty()) {
    if (in_block) {
      const std::size_t end = line.find("*/");
      if (end == std::string_view::npos) return true;
      in_block = false;
      line = trim(line.substr(end + 2));
    } else if (line.starts_with("//")) {
      return true;
    } else if (line.starts_with("/*")) {
      in_block = true;
      line = trim(line.substr(2));
    } else {
      return false;
    }
  }
  return true;
}

Header read_header(std::string_view text) {
  Header header;
  std::string_view rest = text;
  bool ended = false, in_block = false;
  while (!rest.empty()) {
    const std::string_view line = trim(take_line(rest));
    if (line.empty() && !ended) {
      header.plus_build_region = text.substr(0, text.size() - rest.size());
      continue;
    }
    if (!line.starts_with("//")) ended = true;
    if (!in_block && is_keyword_line(line, "//go:build")) header.go_build.push_back(line.substr(10));
    if (!only_comments(line, in_block)) break;
  }
  return header;
}

}  // namespace

Status check_build_tag(std::string_view tag) {
  if (!tag.empty() && tag_length(tag) == tag.size()) return {};
  return input_error("'" + escape_line(tag) +
                     "' is no build tag, which has letters, digits, '_' and '.': write --tags integration,sqlite");
}

Truth BuildContext::tag(std::string_view name) const {
  if (name == "linux" || name == "amd64" || name == "unix" || name == "gc" || name == "amd64.v1") return Truth::yes;
  if (tags.contains(name)) return Truth::yes;
  if (name == "boringcrypto" || name.starts_with("goexperiment.")) return Truth::maybe;
  if (name.starts_with("go1.") && name.size() > 4 && name.size() < 8) {
    int minor = 0;
    for (const char c : name.substr(4)) {
      if (c < '0' || c > '9') return Truth::no;
      minor = minor * 10 + (c - '0');
    }
    if (name[4] == '0') return Truth::no;
    if (go_minor == 0) return Truth::maybe;
    return minor <= go_minor ? Truth::yes : Truth::no;
  }
  return Truth::no;
}

std::optional<Truth> evaluate_constraint(std::string_view expression, const BuildContext& context) {
  return ExpressionParser(trim(expression), context).parse();
}

Truth match_file_name(std::string_view name, const BuildContext& context) {
  name = name.substr(0, name.find('.'));
  const std::size_t first = name.find('_');
  if (first == std::string_view::npos) return Truth::yes;  // "linux.go" is no constraint
  std::vector<std::string_view> parts;
  for (std::string_view rest = name.substr(first + 1); true;) {
    const std::size_t next = rest.find('_');
    parts.push_back(rest.substr(0, next));
    if (next == std::string_view::npos) break;
    rest.remove_prefix(next + 1);
  }
  if (parts.back() == "test") parts.pop_back();
  if (parts.empty()) return Truth::yes;
  const std::string_view last = parts.back();
  if (parts.size() >= 2 && contains(kSystems, parts[parts.size() - 2]) && contains(kArchitectures, last)) {
    return both(context.tag(last), context.tag(parts[parts.size() - 2]));
  }
  if (contains(kSystems, last) || contains(kArchitectures, last)) return context.tag(last);
  return Truth::yes;
}

Truth match_header(std::string_view text, const BuildContext& context) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const Header header = read_header(text);
  if (header.go_build.size() > 1) return Truth::maybe;
  if (header.go_build.size() == 1) return evaluate_constraint(header.go_build[0], context).value_or(Truth::maybe);
  Truth result = Truth::yes;
  for (std::string_view rest = header.plus_build_region; !rest.empty();) {
    std::string_view line = trim(take_line(rest));
    if (!line.starts_with("//")) continue;
    line = trim(line.substr(2));
    if (is_keyword_line(line, "+build")) result = both(result, evaluate_plus_build(line.substr(6), context));
  }
  return result;
}

}  // namespace sandbox_run::sum_verify
