#include "hooks/regexp_syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace sandbox_run::hooks {
namespace {

constexpr std::uint32_t kMaxRune = 0x10ffff;
constexpr std::size_t kMaxPattern = 4096;
constexpr int kMaxDepth = 100;
constexpr int kMaxRepeat = 1000;  // RE2's own

void normalize(RuneRanges& ranges) {
  std::sort(ranges.begin(), ranges.end());
  RuneRanges merged;
  for (const auto& range : ranges) {
    if (!merged.empty() && range.first <= merged.back().second + 1) {
      merged.back().second = std::max(merged.back().second, range.second);
    } else {
      merged.push_back(range);
    }
  }
  ranges = std::move(merged);
}

RuneRanges complement(RuneRanges ranges) {
  normalize(ranges);
  RuneRanges rest;
  std::uint32_t next = 0;
  for (const auto& [low, high] : ranges) {
    if (low > next) rest.emplace_back(next, low - 1);
    next = high + 1;
  }
  if (next <= kMaxRune) rest.emplace_back(next, kMaxRune);
  return rest;
}

const RuneRanges kDigit = {{'0', '9'}};
const RuneRanges kSpace = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
const RuneRanges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};

struct PosixClass {
  std::string_view name;
  RuneRanges ranges;
};
const PosixClass kPosixClasses[] = {
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
    {"ascii", {{0, 0x7f}}},
    {"blank", {{'\t', '\t'}, {' ', ' '}}},
    {"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}},
    {"digit", {{'0', '9'}}},
    {"graph", {{'!', '~'}}},
    {"lower", {{'a', 'z'}}},
    {"print", {{' ', '~'}}},
    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
    {"space", {{'\t', '\r'}, {' ', ' '}}},
    {"upper", {{'A', 'Z'}}},
    {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
};

class Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern) {}

  Result<RegexpNode> parse() {
    TRY(RegexpNode node, choice(0));
    if (!at_end()) return fail("a ')' without its '('");
    return node;
  }

 private:
  struct Flags {
    bool fold_case = false;
    bool dot_matches_newline = false;
  };

  Error fail(const std::string& message) const {
    return input_error(fmt::format("regular expression '{}': at byte {}: {}", pattern_.substr(0, 80), at_, message));
  }
  bool at_end() const { return at_ == pattern_.size(); }
  bool looking_at(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool take(std::string_view text) {
    if (!looking_at(text)) return false;
    at_ += text.size();
    return true;
  }

  // The next code point of the pattern, which has to be UTF-8.
  Result<std::uint32_t> rune() {
    std::string_view rest = pattern_.substr(at_);
    const std::size_t before = rest.size();
    const auto point = rest.empty() ? std::nullopt : next_code_point(rest);
    if (!point) return fail("this is no UTF-8");
    at_ += before - rest.size();
    return static_cast<std::uint32_t>(*point);
  }

  Result<RegexpNode> choice(int depth) {
    if (depth > kMaxDepth) return fail(fmt::format("groups nested deeper than {} levels", kMaxDepth));
    const Flags outside = flags_;  // a flag set in a group ends with it
    RegexpNode node{.kind = RegexpNode::Kind::choice};
    do {
      TRY(RegexpNode part, sequence(depth));
      node.parts.push_back(std::move(part));
    } while (take("|"));
    flags_ = outside;
    if (node.parts.size() == 1) return RegexpNode(node.parts[0]);
    return node;
  }

  Result<RegexpNode> sequence(int depth) {
    RegexpNode node{.kind = RegexpNode::Kind::sequence};
    while (!at_end() && !looking_at("|") && !looking_at(")")) {
      if (take("\\Q")) {
        while (!at_end() && !take("\\E")) {
          TRY(std::uint32_t literal, rune());
          TRY(RegexpNode part, one_rune(literal));
          node.parts.push_back(std::move(part));
        }
        if (!node.parts.empty()) TRY_STATUS(repetition(node.parts.back()));  // of the last literal
        continue;
      }
      TRY(RegexpNode part, atom(depth));
      TRY_STATUS(repetition(part));
      node.parts.push_back(std::move(part));
    }
    return node;
  }

  // {n}, {n,}, {n,m}: nothing where the brace is a literal, as in RE2.
  std::optional<std::pair<long, long>> counts() {
    const std::size_t begin = at_;
    auto number = [&]() -> std::optional<long> {
      const std::size_t first = at_;
      long value = 0;
      for (; !at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '9'; ++at_)
        value = std::min(100'000L, value * 10 + (pattern_[at_] - '0'));
      if (at_ == first || (at_ > first + 1 && pattern_[first] == '0')) return std::nullopt;
      return value;
    };
    if (take("{")) {
      if (auto least = number()) {
        if (take("}")) return std::pair{*least, *least};
        if (take(",")) {
          if (take("}")) return std::pair{*least, -1L};
          if (auto most = number(); most && take("}")) return std::pair{*least, *most};
        }
      }
    }
    at_ = begin;
    return std::nullopt;
  }

  Status repetition(RegexpNode& node) {
    for (bool repeated = false;; repeated = true) {
      const std::size_t begin = at_;
      std::pair<long, long> bounds;
      if (take("*")) {
        bounds = {0, -1};
      } else if (take("+")) {
        bounds = {1, -1};
      } else if (take("?")) {
        bounds = {0, 1};
      } else if (auto counted = counts()) {
        bounds = *counted;
      } else {
        return {};
      }
      if (repeated) {
        at_ = begin;
        return fail("a repetition of a repetition: put the first into (?:…)");
      }
      if (bounds.first > kMaxRepeat || bounds.second > kMaxRepeat)
        return fail(fmt::format("more than {} repetitions", kMaxRepeat));
      if (bounds.second >= 0 && bounds.second < bounds.first)
        return fail("the repetition's bounds are in the wrong order");
      take("?");  // non-greedy: the same texts match
      RegexpNode whole{.kind = RegexpNode::Kind::repeat};
      whole.least = static_cast<int>(bounds.first);
      whole.most = static_cast<int>(bounds.second);
      whole.parts.push_back(std::move(node));
      node = std::move(whole);
    }
  }

  Result<RegexpNode> atom(int depth) {
    using Kind = RegexpNode::Kind;
    if (take("(")) return group(depth);
    if (take("[")) return bracket();
    if (take("^")) return RegexpNode{.kind = Kind::text_begin};
    if (take("$")) return RegexpNode{.kind = Kind::text_end};
    if (take(".")) {
      RegexpNode node{.kind = Kind::runes};
      node.runes = flags_.dot_matches_newline ? complement({}) : complement({{'\n', '\n'}});
      return node;
    }
    if (looking_at("*") || looking_at("+") || looking_at("?")) return fail("there is nothing here to repeat");
    if (take("\\A")) return RegexpNode{.kind = Kind::text_begin};
    if (take("\\z")) return RegexpNode{.kind = Kind::text_end};
    if (take("\\b")) return RegexpNode{.kind = Kind::word_boundary};
    if (take("\\B")) return RegexpNode{.kind = Kind::no_word_boundary};
    if (auto ranges = perl_class()) {
      RegexpNode node{.kind = Kind::runes};
      node.runes = std::move(*ranges);
      return node;
    }
    std::uint32_t literal = 0;
    if (looking_at("\\")) {
      TRY(literal, escape());
    } else {
      TRY(literal, rune());
    }
    return one_rune(literal);
  }

  Result<RegexpNode> one_rune(std::uint32_t rune) {
    RegexpNode node{.kind = RegexpNode::Kind::runes};
    node.runes = {{rune, rune}};
    TRY_STATUS(fold(node.runes));
    return node;
  }

  // (?i): ASCII letters in both cases, and the two characters beyond ASCII that fold to one: U+017F to s, U+212A to k.
  Status fold(RuneRanges& ranges) {
    if (!flags_.fold_case) return {};
    RuneRanges more;
    for (const auto& [low, high] : ranges) {
      for (std::uint32_t letter = 'a'; letter <= 'z'; ++letter) {
        const std::uint32_t upper = letter - 'a' + 'A';
        const std::uint32_t beyond = letter == 's' ? 0x17f : letter == 'k' ? 0x212a : letter;
        for (std::uint32_t form : {letter, upper, beyond})
          if (low <= form && form <= high)
            for (std::uint32_t other : {letter, upper, beyond}) more.emplace_back(other, other);
      }
      const bool everything_beyond = low <= 0x80 && high == kMaxRune;
      if (high >= 0x80 && !everything_beyond && !(low == high && (low == 0x17f || low == 0x212a)))
        return fail("(?i) is taken for ASCII letters only: name both cases of the others, as in [Ää]");
    }
    ranges.insert(ranges.end(), more.begin(), more.end());
    normalize(ranges);
    return {};
  }

  Result<RegexpNode> group(int depth) {
    if (take("?")) {
      if (looking_at("=") || looking_at("!") || looking_at("<=") || looking_at("<!"))
        return fail("look-around is not in RE2's syntax");
      if (take("P<") || take("<")) {
        const std::size_t begin = at_;
        while (!at_end() && (std::isalnum(static_cast<unsigned char>(pattern_[at_])) || pattern_[at_] == '_')) ++at_;
        if (at_ == begin || !take(">")) return fail("a group's name is letters, digits and '_', between < and >");
      } else {
        const Flags outside = flags_;
        TRY(bool only_flags, group_flags());
        if (only_flags) return RegexpNode{};
        TRY(RegexpNode node, choice(depth + 1));
        flags_ = outside;
        if (!take(")")) return fail("a '(' without its ')'");
        return node;
      }
    }
    TRY(RegexpNode node, choice(depth + 1));
    if (!take(")")) return fail("a '(' without its ')'");
    return node;
  }

  // After "(?": "flags)" (true: they hold for the rest of the enclosing group) or "flags:" (they hold inside).
  Result<bool> group_flags() {
    bool value = true, any = false, minus = false;
    for (; !at_end(); ++at_) {
      switch (pattern_[at_]) {
        case 'i':
          flags_.fold_case = value;
          any = true;
          continue;
        case 's':
          flags_.dot_matches_newline = value;
          any = true;
          continue;
        case 'U':  // swaps greedy and non-greedy: the same texts match
          any = true;
          continue;
        case 'm':
          return fail("the flag m is not taken here: '^' and '$' are the text's ends");
        case '-':
          if (minus) return fail("two '-' among a group's flags");
          minus = true;
          any = value = false;
          continue;
        case ')':
        case ':':
          if (minus && !any) return fail("'-' without a flag after it");
          return pattern_[at_++] == ')';
        default:
          return fail("a group's flag that is not known: i, s and U are");
      }
    }
    return fail("a '(' without its ')'");
  }

  std::optional<RuneRanges> perl_class() {
    for (const auto& [word, ranges] : {std::pair{"\\d", &kDigit}, std::pair{"\\s", &kSpace}, std::pair{"\\w", &kWord}})
      if (take(word)) return folded_class(*ranges, false);
    for (const auto& [word, ranges] : {std::pair{"\\D", &kDigit}, std::pair{"\\S", &kSpace}, std::pair{"\\W", &kWord}})
      if (take(word)) return folded_class(*ranges, true);
    return std::nullopt;
  }

  // \w under (?i) has U+017F and U+212A too, as in RE2.
  RuneRanges folded_class(RuneRanges ranges, bool negated) {
    if (auto status = fold(ranges); !status) return {};  // ASCII: cannot fail
    return negated ? complement(std::move(ranges)) : ranges;
  }

  Result<RegexpNode> bracket() {
    RegexpNode node{.kind = RegexpNode::Kind::runes};
    const bool negated = take("^");
    for (bool first = true; first || !looking_at("]"); first = false) {
      if (at_end()) return fail("a '[' without its ']'");
      if (looking_at("[:")) {
        TRY(bool taken, posix_class(node.runes));
        if (taken) continue;
      }
      if (auto ranges = perl_class()) {
        node.runes.insert(node.runes.end(), ranges->begin(), ranges->end());
        continue;
      }
      TRY(std::uint32_t low, class_rune());
      std::uint32_t high = low;
      if (looking_at("-") && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']') {
        take("-");
        TRY(high, class_rune());
        if (high < low) return fail("a range in the wrong order");
      }
      RuneRanges range = {{low, high}};
      TRY_STATUS(fold(range));
      node.runes.insert(node.runes.end(), range.begin(), range.end());
    }
    take("]");
    if (negated) {
      node.runes = complement(std::move(node.runes));
    } else {
      normalize(node.runes);
    }
    return node;
  }

  Result<bool> posix_class(RuneRanges& ranges) {
    const std::size_t end = pattern_.find(":]", at_ + 2);
    if (end == std::string_view::npos) return false;
    std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    for (const PosixClass& one : kPosixClasses) {
      if (one.name != name) continue;
      at_ = end + 2;
      RuneRanges found = folded_class(one.ranges, negated);
      ranges.insert(ranges.end(), found.begin(), found.end());
      return true;
    }
    return fail(fmt::format("there is no class [:{}:]", name));
  }

  Result<std::uint32_t> class_rune() {
    if (at_end()) return fail("a '[' without its ']'");
    if (looking_at("\\")) return escape();
    return rune();
  }

  Result<std::uint32_t> escape() {
    take("\\");
    if (at_end()) return fail("a backslash at the end");
    const char letter = pattern_[at_++];
    switch (letter) {
      case 'a':
        return std::uint32_t{'\a'};
      case 'f':
        return std::uint32_t{'\f'};
      case 'n':
        return std::uint32_t{'\n'};
      case 'r':
        return std::uint32_t{'\r'};
      case 't':
        return std::uint32_t{'\t'};
      case 'v':
        return std::uint32_t{'\v'};
      case 'x':
        return hexadecimal();
      case 'p':
      case 'P':
        return fail("Unicode classes are not taken here: write the ranges, as in [Ā-ž]");
      case 'C':
        return fail("\\C is not taken here");
      default:
        break;
    }
    if (letter >= '0' && letter <= '7') return octal(letter);
    if (static_cast<unsigned char>(letter) >= 0x80 || std::isalnum(static_cast<unsigned char>(letter)))
      return fail(fmt::format("\\{} is no escape that is known", letter));
    return std::uint32_t{static_cast<unsigned char>(letter)};
  }

  Result<std::uint32_t> octal(char first) {
    auto is_octal = [&] { return !at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '7'; };
    if (first != '0' && !is_octal()) return fail("backreferences are not in RE2's syntax");
    std::uint32_t value = static_cast<std::uint32_t>(first - '0');
    for (int i = 0; i < 2 && is_octal(); ++i) value = value * 8 + static_cast<std::uint32_t>(pattern_[at_++] - '0');
    return value;
  }

  Result<std::uint32_t> hexadecimal() {
    const bool braced = take("{");
    std::uint32_t value = 0;
    std::size_t digits = 0;
    for (; !at_end() && std::isxdigit(static_cast<unsigned char>(pattern_[at_])) && (braced || digits < 2);
         ++at_, ++digits) {
      const char c = pattern_[at_];
      value = value * 16 + static_cast<std::uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
      if (value > kMaxRune) return fail("above U+10FFFF there is nothing");
    }
    if (braced ? digits == 0 || !take("}") : digits != 2) return fail("write \\x7f or \\x{10ffff}");
    return value;
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  Flags flags_;
};

}  // namespace

Result<RegexpNode> parse_regexp(std::string_view pattern) {
  if (pattern.size() > kMaxPattern)
    return input_error(fmt::format("regular expression of {} bytes; {} are the most", pattern.size(), kMaxPattern));
  return Parser(pattern).parse();
}

}  // namespace sandbox_run::hooks
