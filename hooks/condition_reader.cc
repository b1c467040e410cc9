// The `when:` part of RuleReader.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/units.h"
#include "hooks/near_name.h"
#include "hooks/regexp.h"
#include "hooks/rule_reader.h"

namespace sandbox_run::hooks {
namespace {

constexpr std::size_t kMaxParts = 1000;

Condition negation(Condition part) {
  Condition condition;
  condition.kind = Condition::Kind::negation;
  condition.parts.push_back(std::move(part));
  return condition;
}

Condition text_test(Condition::Match match, std::string operand) {
  Condition condition;
  condition.kind = Condition::Kind::text;
  condition.match = match;
  condition.values.push_back(std::move(operand));
  return condition;
}

// true, 42, -1, 0x1f, 0o644, 1.5, 1e9: nothing for another text. Sets the number's fields of `condition`.
bool read_number(std::string_view text, Condition& condition) {
  condition.kind = Condition::Kind::number;
  if (text == "true" || text == "false") return condition.integer = text == "true", true;
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  int base = digits.starts_with("0x") ? 16 : digits.starts_with("0o") ? 8 : 10;
  if (base != 10) digits.remove_prefix(2);
  if (digits.empty() || !std::isxdigit(static_cast<unsigned char>(digits[0]))) return false;
  std::string signed_digits = (negative ? "-" : "") + std::string(digits);
  const char* end = signed_digits.data() + signed_digits.size();
  auto [stopped, problem] = std::from_chars(signed_digits.data(), end, condition.integer, base);
  if (problem == std::errc() && stopped == end) return true;
  if (base != 10) return false;
  auto [real_stopped, real_problem] = std::from_chars(signed_digits.data(), end, condition.real);
  condition.floating = true;
  return real_problem == std::errc() && real_stopped == end && std::isfinite(condition.real);
}

// 0644 is octal to one reader and decimal to another.
bool has_leading_zero(std::string_view text) {
  return text.size() > 1 && text[0] == '0' &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

}  // namespace

// A rate takes a token from a bucket, so it is asked last and only where all else holds: it may stand at the top, or in
// an all-of at the top, and once.
Result<Condition> RuleReader::condition(const YamlNode& node, bool rate_allowed, int depth) {
  if (depth > kMaxNesting) return fail(node, fmt::format("conditions nested deeper than {} levels", kMaxNesting));
  if (node.kind == YamlNode::Kind::sequence) return combination(node, "all-of", rate_allowed, depth);
  if (node.kind != YamlNode::Kind::mapping)
    return fail(node, fmt::format("a condition is a mapping, as in {{argument: name, prefix: /etc/}}, and this is {}",
                                  kind_name(node.kind)));
  for (const char* key : {"all-of", "any-of", "not", "rate"}) {
    const YamlNode* value = node.find(key);
    if (!value) continue;
    if (node.entries.size() > 1)
      return fail(node, fmt::format("'{}' stands alone: to combine it with more, use 'all-of'", key));
    if (std::string_view(key) != "rate") return combination(*value, key, rate_allowed, depth);
    if (!rate_allowed) return fail(*value, "a rate stands at the top, or once in an all-of at the top");
    Condition condition;
    condition.kind = Condition::Kind::rate;
    TRY(std::uint64_t per_second, rate(*value));
    condition.integer = static_cast<std::int64_t>(per_second);
    return condition;
  }
  return comparison(node);
}

Result<Condition> RuleReader::combination(const YamlNode& node, const std::string& key, bool rate_allowed, int depth) {
  Condition condition;
  if (key == "not") {
    TRY(Condition part, this->condition(node, false, depth + 1));
    return negation(std::move(part));
  }
  condition.kind = key == "all-of" ? Condition::Kind::all_of : Condition::Kind::any_of;
  if (node.kind != YamlNode::Kind::sequence || node.items.empty())
    return fail(node, fmt::format("{} takes a list of conditions, with at least one in it", key));
  if (node.items.size() > kMaxParts) return fail(node, fmt::format("more than {} conditions in one list", kMaxParts));
  std::optional<Condition> rate;
  for (const YamlNode& item : node.items) {
    const bool here = rate_allowed && key == "all-of" && depth == 0;
    TRY(Condition part, this->condition(item, here && !rate, depth + 1));
    if (part.kind == Condition::Kind::rate) {
      rate = std::move(part);
    } else {
      condition.parts.push_back(std::move(part));
    }
  }
  if (rate) condition.parts.push_back(std::move(*rate));
  return condition;
}

Result<Condition> RuleReader::comparison(const YamlNode& node) {
  static const std::vector<std::string> known = {"argument", "is",     "is-not", "less",     "at-most", "greater",
                                                 "at-least", "prefix", "suffix", "contains", "in",      "matches",
                                                 "nil",      "length", "all-of", "any-of",   "not",     "rate"};
  TRY_STATUS(keys(node, "a condition", known));
  const YamlNode* argument = node.find("argument");
  if (!argument) return fail(node, "of which argument? add 'argument: NAME'");
  TRY(std::string name, text(*argument, "an argument's name"));
  YamlNode list = *argument;
  list.kind = YamlNode::Kind::sequence;
  list.items.push_back(*argument);
  TRY(std::vector<std::string> checked, names(list, "argument", false));
  Condition all;
  for (const auto& [key, value] : node.entries) {
    if (key.text == "argument") continue;
    TRY(Condition one, test(key, value));
    auto about = [&](auto&& self, Condition& condition) -> void {
      condition.argument = condition.parts.empty() ? name : "";
      for (Condition& part : condition.parts) self(self, part);
    };
    about(about, one);
    all.parts.push_back(std::move(one));
  }
  if (all.parts.empty())
    return fail(node, fmt::format("what about '{}'? add 'is', 'prefix', 'matches' or the like", name));
  if (all.parts.size() == 1) return Condition(all.parts[0]);
  return all;
}

Result<Condition> RuleReader::test(const YamlNode& key, const YamlNode& value) {
  const std::string& word = key.text;
  if (word == "is") return equality(value);
  if (word == "is-not") {
    TRY(Condition same, equality(value));
    return negation(std::move(same));
  }
  if (word == "less") return number(value, Condition::Order::less);
  if (word == "at-most") return number(value, Condition::Order::at_most);
  if (word == "greater") return number(value, Condition::Order::greater);
  if (word == "at-least") return number(value, Condition::Order::at_least);
  if (word == "length") return length(value);
  if (word == "in") return member(value);
  if (word == "nil") {
    Condition condition;
    condition.kind = Condition::Kind::nil;
    TRY(bool is_nil, boolean(value, "nil"));
    if (is_nil) return condition;
    condition.integer = 1;  // "is there and is not nil", which is more than the negation says
    return condition;
  }
  TRY(std::string operand, text(value, "what '" + word + "' compares with"));
  if (word == "matches") {
    if (auto compiled = compile_regexp(operand); !compiled) return fail(value, compiled.error().what);
    Condition condition;
    condition.kind = Condition::Kind::regexp;
    condition.values.push_back(std::move(operand));
    return condition;
  }
  if (operand.empty()) return fail(value, fmt::format("every text has an empty {}", word));
  const auto match = word == "prefix"   ? Condition::Match::prefix
                     : word == "suffix" ? Condition::Match::suffix
                                        : Condition::Match::contains;
  if (word != "prefix" && word != "suffix" && word != "contains")
    return fail(key, fmt::format("'{}' stands alone: it is no test of an argument", word));
  return text_test(match, std::move(operand));
}

// A number where it looks like one and has no quotes, else a text.
Result<Condition> RuleReader::equality(const YamlNode& value) {
  if (value.kind == YamlNode::Kind::null) return fail(value, "nothing to compare with; for nil write 'nil: true'");
  TRY(std::string operand, text(value, "what 'is' compares with"));
  Condition condition;
  if (value.plain && has_leading_zero(operand))
    return fail(value, fmt::format("{}: write 0o{} for octal, or quote it for a text", operand, operand.substr(1)));
  if (value.plain && read_number(operand, condition)) return condition;
  return text_test(Condition::Match::equal, std::move(operand));
}

Result<Condition> RuleReader::number(const YamlNode& value, Condition::Order order) {
  Condition condition;
  if (value.kind == YamlNode::Kind::scalar && value.plain && !has_leading_zero(value.text)) {
    condition.order = order;
    if (read_number(value.text, condition)) return condition;
    condition.floating = false;
    if (auto time = parse_duration(value.text)) {  // of a time.Duration, which counts nanoseconds
      condition.integer = time->count() * 1000;
      return condition;
    }
  }
  return fail(value, "a number is needed here, as in 4096, 0o644, 1.5, or 250ms for a time.Duration");
}

Result<Condition> RuleReader::length(const YamlNode& value) {
  Condition all;
  if (value.kind == YamlNode::Kind::scalar) {
    TRY(Condition same, number(value, Condition::Order::equal));
    all.parts.push_back(std::move(same));
  } else {
    TRY_STATUS(keys(value, "length", {"is", "less", "at-most", "greater", "at-least"}));
    for (const auto& [key, operand] : value.entries) {
      const auto order = key.text == "is"        ? Condition::Order::equal
                         : key.text == "less"    ? Condition::Order::less
                         : key.text == "at-most" ? Condition::Order::at_most
                         : key.text == "greater" ? Condition::Order::greater
                                                 : Condition::Order::at_least;
      TRY(Condition one, number(operand, order));
      all.parts.push_back(std::move(one));
    }
  }
  if (all.parts.empty()) return fail(value, "what length? write 'length: {greater: 100}' or the like");
  for (Condition& part : all.parts) {
    if (part.floating) return fail(value, "a length is a whole number");
    part.length = true;
  }
  if (all.parts.size() == 1) return Condition(all.parts[0]);
  return all;
}

Result<Condition> RuleReader::member(const YamlNode& value) {
  if (value.kind != YamlNode::Kind::sequence || value.items.empty())
    return fail(value, "in takes a list, as in [a, b], with at least one value in it");
  if (value.items.size() > kMaxParts) return fail(value, fmt::format("more than {} values in one list", kMaxParts));
  Condition texts, numbers;
  texts.kind = Condition::Kind::set;
  numbers.kind = Condition::Kind::any_of;
  for (const YamlNode& item : value.items) {
    TRY(Condition one, equality(item));
    if (one.kind == Condition::Kind::number) {
      numbers.parts.push_back(std::move(one));
    } else {
      texts.values.push_back(std::move(one.values[0]));
    }
  }
  if (numbers.parts.empty()) return texts;
  if (!texts.values.empty()) return fail(value, "texts and numbers in one list: quote the numbers that are texts");
  return numbers;
}

}  // namespace sandbox_run::hooks
