#include "seccomp-profiles/condition_parser.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "seccomp-profiles/vocabulary.h"

namespace sandbox_run::seccomp_profiles {
namespace {

constexpr std::size_t kMaxAlternatives = 64;  // per rule: each becomes a chain of comparisons that runs at every call

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class Parser {
 public:
  Parser(std::string_view syscall, std::string_view text) : syscall_(syscall), rest_(text) {}

  // any := all ('|' all)*
  Result<Alternatives> any() {
    Alternatives result;
    do {
      TRY(Alternatives more, all());
      result.insert(result.end(), more.begin(), more.end());
      if (result.size() > kMaxAlternatives) return too_many();
    } while (accept("|"));
    skip_spaces();
    if (!rest_.empty()) return input_error("cannot read '" + std::string(rest_) + "'; expected '&', '|' or the end");
    return result;
  }

 private:
  static Error too_many() {
    return input_error("more than " + std::to_string(kMaxAlternatives) + " alternatives in one rule; use 'within'");
  }

  // all := comparison ('&' comparison)*
  Result<Alternatives> all() {
    Alternatives result = {{}};
    do {
      TRY(const std::vector<Condition> choices, comparison());
      Alternatives product;
      for (const std::vector<Condition>& alternative : result) {
        for (const Condition& choice : choices) {
          for (const Condition& other : alternative) {
            if (other.argument == choice.argument) {
              return input_error("an argument is compared twice in one alternative; join the two into one comparison");
            }
          }
          product.push_back(alternative);
          product.back().push_back(choice);
          if (product.size() > kMaxAlternatives) return too_many();
        }
      }
      result = std::move(product);
    } while (accept("&"));
    return result;
  }

  // comparison := ARGUMENT ('==' (value | '{' value (',' value)* '}') | '!=' value | 'within' value)
  Result<std::vector<Condition>> comparison() {
    const std::string name = word();
    if (name.empty()) return input_error("expected an argument's name at '" + std::string(rest_) + "'");
    const std::optional<unsigned> argument = argument_index(syscall_, name);
    if (!argument) {
      return input_error(std::string(syscall_) + " has no argument '" + name + "'; it has " + argument_names(syscall_));
    }
    Condition condition;
    condition.argument = *argument;
    if (accept("==")) {
      if (accept("{")) return set(condition);
    } else if (accept("!=")) {
      condition.test = Condition::Test::not_equal;
    } else if (word() == "within") {
      condition.test = Condition::Test::within;
    } else {
      return input_error("expected '==', '!=' or 'within' after '" + name + "'");
    }
    TRY(condition.value, value());
    return std::vector<Condition>{condition};
  }

  Result<std::vector<Condition>> set(Condition condition) {
    std::vector<Condition> choices;
    do {
      TRY(condition.value, value());
      if (std::find(choices.begin(), choices.end(), condition) != choices.end()) {
        return input_error("a value stands twice in a set");
      }
      choices.push_back(condition);
      if (choices.size() > kMaxAlternatives) return too_many();
    } while (accept(","));
    if (!accept("}")) return input_error("expected ',' or '}' at '" + std::string(rest_) + "'");
    return choices;
  }

  // value := term ('+' term)*; bits are or-ed, and no bit may come twice.
  Result<std::uint64_t> value() {
    std::uint64_t sum = 0;
    do {
      const std::string name = word();
      if (name.empty()) return input_error("expected a number or a constant at '" + std::string(rest_) + "'");
      TRY(const std::uint64_t term, number_or_constant(name));
      sum |= term;
    } while (accept("+"));
    return sum;
  }

  static Result<std::uint64_t> number_or_constant(const std::string& name) {
    if (std::isdigit(static_cast<unsigned char>(name[0])) == 0) {
      if (const auto value = constant_value(name)) return *value;
      return input_error("unknown constant '" + name + "'; write its number (0x for hexadecimal, 0 for octal)");
    }
    std::string_view digits = name;
    int base = 10;
    if (digits.size() > 2 && (digits.substr(0, 2) == "0x" || digits.substr(0, 2) == "0X")) {
      base = 16;
      digits.remove_prefix(2);
    } else if (digits.size() > 1 && digits[0] == '0') {
      base = 8;
    }
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      return input_error("'" + name + "' is no 64-bit number");
    }
    return number;
  }

  void skip_spaces() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }

  bool accept(std::string_view token) {
    skip_spaces();
    if (rest_.substr(0, token.size()) != token) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  std::string word() {
    skip_spaces();
    std::size_t length = 0;
    while (length < rest_.size() && is_word(rest_[length])) ++length;
    const std::string result(rest_.substr(0, length));
    rest_.remove_prefix(length);
    return result;
  }

  std::string_view syscall_;
  std::string_view rest_;
};

bool conditions_disjoint(const Condition& a, const Condition& b) {
  using Test = Condition::Test;
  if (a.test == Test::equal) return !b.holds(a.value);
  if (b.test == Test::equal) return !a.holds(b.value);
  // 0 is within everything; `x != 0` and `x within 0` leave nothing.
  if (a.test == Test::not_equal && b.test == Test::within) return a.value == 0 && b.value == 0;
  if (a.test == Test::within && b.test == Test::not_equal) return a.value == 0 && b.value == 0;
  return false;
}

bool condition_implies(const Condition& a, const Condition& b) {
  using Test = Condition::Test;
  if (a.test == Test::equal) return b.holds(a.value);
  if (a.test == Test::within && b.test == Test::within) return (a.value & ~b.value) == 0;
  if (a.test == Test::within && b.test == Test::not_equal) return (b.value & ~a.value) != 0;
  return a == b;
}

}  // namespace

bool Condition::holds(std::uint64_t argument_value) const {
  switch (test) {
    case Test::equal:
      return argument_value == value;
    case Test::not_equal:
      return argument_value != value;
    case Test::within:
      return (argument_value & ~value) == 0;
  }
  return false;
}

Result<Alternatives> parse_conditions(std::string_view syscall, std::string_view text) {
  return Parser(syscall, text).any();
}

bool disjoint(const std::vector<Condition>& a, const std::vector<Condition>& b) {
  for (const Condition& one : a) {
    for (const Condition& other : b) {
      if (one.argument == other.argument && conditions_disjoint(one, other)) return true;
    }
  }
  return false;
}

bool implies(const std::vector<Condition>& a, const std::vector<Condition>& b) {
  return std::all_of(b.begin(), b.end(), [&](const Condition& needed) {
    return std::any_of(a.begin(), a.end(), [&](const Condition& given) {
      return given.argument == needed.argument && condition_implies(given, needed);
    });
  });
}

}  // namespace sandbox_run::seccomp_profiles
