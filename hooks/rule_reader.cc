#include "hooks/rule_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "hooks/join_shape.h"
#include "hooks/layout.h"
#include "hooks/near_name.h"

namespace sandbox_run::hooks {
namespace {

constexpr std::size_t kMaxText = 1024;  // of a pattern or an error's text
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxNames = 32;  // in one list

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::isalnum(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

// A parameter: an identifier of Go's, "#0", or "*" where that makes sense.
bool is_parameter(std::string_view name, bool star) {
  if (name == "*") return star;
  if (name.empty() || name.size() > kMaxName) return false;
  if (name[0] == '#')
    return name.size() >= 2 && name.size() <= 3 &&
           std::all_of(name.begin() + 1, name.end(), [](unsigned char c) { return std::isdigit(c); });
  return !std::isdigit(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c >= 0x80; });
}

}  // namespace

// ── what every key is read with ──────────────────────────────────────────────────────────────────────────────────────

Status RuleReader::keys(const YamlNode& node, const std::string& what, const std::vector<std::string>& known) const {
  if (node.kind != YamlNode::Kind::mapping)
    return fail(node, fmt::format("{} has to be a mapping, and this is {}", what, kind_name(node.kind)));
  for (const auto& [key, value] : node.entries)
    if (std::find(known.begin(), known.end(), key.text) == known.end())
      return fail(key, fmt::format("{} has no key '{}'{}", what, key.text, near_name(key.text, known)));
  return {};
}

Result<std::string> RuleReader::text(const YamlNode& node, const std::string& what) const {
  if (node.kind != YamlNode::Kind::scalar)
    return fail(node, fmt::format("{} has to be a text, and this is {}", what, kind_name(node.kind)));
  if (node.text.size() > kMaxText)
    return fail(node, fmt::format("{} has {} bytes; {} are the most", what, node.text.size(), kMaxText));
  return node.text;
}

Result<std::string> RuleReader::pattern(const YamlNode& node, const std::string& what) const {
  TRY(std::string value, text(node, what));
  if (value.empty()) return fail(node, what + " is empty");
  for (unsigned char c : value)
    if (c < ' ' || c == 0x7f) return fail(node, what + " has a control character in it");
  return value;
}

Result<std::vector<std::string>> RuleReader::names(const YamlNode& node, const std::string& what, bool star) const {
  if (node.kind == YamlNode::Kind::scalar && node.text == "*" && star) return std::vector<std::string>{"*"};
  if (node.kind != YamlNode::Kind::sequence)
    return fail(node, fmt::format("{} has to be a list of names, as in [name, err], and this is {}", what,
                                  kind_name(node.kind)));
  std::vector<std::string> found;
  for (const YamlNode& item : node.items) {
    TRY(std::string name, text(item, "a name in " + what));
    if (!is_parameter(name, star))
      return fail(item, fmt::format("'{}' names no parameter: write its name, '#0' for the first{}", name,
                                    star ? ", 'recv' or '*'" : " or 'recv'"));
    if (std::find(found.begin(), found.end(), name) != found.end())
      return fail(item, fmt::format("{} has '{}' twice", what, name));
    found.push_back(std::move(name));
  }
  if (found.size() > kMaxNames) return fail(node, fmt::format("{} has more than {} names", what, kMaxNames));
  return found;
}

Result<bool> RuleReader::boolean(const YamlNode& node, const std::string& what) const {
  if (node.kind == YamlNode::Kind::scalar && node.plain && (node.text == "true" || node.text == "false"))
    return node.text == "true";
  return fail(node, what + " has to be true or false");
}

Result<std::uint64_t> RuleReader::whole(const YamlNode& node, const std::string& what, std::uint64_t most) const {
  std::uint64_t value = 0;
  const char* end = node.text.data() + node.text.size();
  auto [stopped, problem] = std::from_chars(node.text.data(), end, value);
  if (node.kind != YamlNode::Kind::scalar || problem != std::errc() || stopped != end || value < 1 || value > most)
    return fail(node, fmt::format("{} has to be a whole number from 1 to {}", what, most));
  return value;
}

Result<std::uint64_t> RuleReader::rate(const YamlNode& node) const {
  YamlNode number = node;
  if (node.kind != YamlNode::Kind::scalar || !node.text.ends_with("/s"))
    return fail(node, "a rate is a number a second, as in 1000/s");
  number.text.resize(number.text.size() - 2);
  return whole(number, "a rate", 1'000'000'000);
}

// ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────────

Result<RuleSet> RuleReader::read(const YamlNode& document) {
  TRY_STATUS(keys(document, "a rules file", {"version", "use", "rules"}));
  const YamlNode* version = document.find("version");
  if (!version) return fail(document, "the version is missing: begin with 'version: 1'");
  if (version->text != "1")
    return fail(*version, fmt::format("version '{}' is not known here; write 'version: 1'", version->text));
  RuleSet rules;
  rules.file = file_;
  if (const YamlNode* sets = document.find("use")) TRY_STATUS(use(*sets, rules));
  if (const YamlNode* list = document.find("rules")) {
    if (list->kind != YamlNode::Kind::sequence)
      return fail(*list, fmt::format("rules has to be a list ('- name: …'), and this is {}", kind_name(list->kind)));
    for (const YamlNode& item : list->items) {
      TRY(Rule one, rule(item));
      rules.rules.push_back(std::move(one));
    }
  }
  if (rules.rules.empty()) return fail(document, "there is no rule in it: add 'rules:' or 'use: [std:files]'");
  return rules;
}

Status RuleReader::use(const YamlNode& node, RuleSet& rules) {
  if (node.kind != YamlNode::Kind::sequence)
    return fail(node,
                fmt::format("use has to be a list of sets, as in [std:files], and this is {}", kind_name(node.kind)));
  for (const YamlNode& item : node.items) {
    const YamlNode* name = &item;
    if (item.kind == YamlNode::Kind::mapping) {
      TRY_STATUS(keys(item, "a set in use", {"set", "active", "sample", "limit", "capture", "scrub"}));
      name = item.find("set");
      if (!name) return fail(item, "which set? write {set: std:files, …}");
    }
    TRY(std::string set, text(*name, "the name of a set"));
    auto content = set_text(set);
    if (!content) return fail(*name, fmt::format("there is no set '{}'{}", set, near_name(set, set_names())));
    if (std::find(rules.sets.begin(), rules.sets.end(), set) != rules.sets.end())
      return fail(*name, fmt::format("the set '{}' is used twice", set));
    rules.sets.push_back(set);
    TRY(YamlNode tree, parse_yaml(*content, set));
    TRY(RuleSet shipped, RuleReader(set).read(tree));
    for (Rule& one : shipped.rules) {
      one.name = set + "/" + one.name;
      if (item.kind == YamlNode::Kind::mapping) {
        if (const YamlNode* active = item.find("active")) {
          TRY(one.active, boolean(*active, "active"));
        }
        if (one.advice.kind == Advice::Kind::record) TRY_STATUS(pace(item, one));
      }
      rules.rules.push_back(std::move(one));
    }
  }
  return {};
}

// sample, limit, capture and scrub: how much of what a rule sees leaves the process.
Status RuleReader::pace(const YamlNode& node, Rule& rule) {
  if (const YamlNode* sample = node.find("sample")) {
    TRY(std::uint64_t value, whole(*sample, "sample", 1'000'000'000));
    rule.sample = static_cast<std::uint32_t>(value);
  }
  if (const YamlNode* bound = node.find("limit")) TRY_STATUS(limit(*bound, rule));
  if (const YamlNode* capture = node.find("capture")) {
    TRY(std::uint64_t value, whole(*capture, "capture (bytes of each text)", kMaxCapture));
    rule.capture = static_cast<std::uint32_t>(value);
  }
  if (const YamlNode* masks = node.find("scrub")) {
    TRY(rule.scrub, scrub(*masks));
  }
  return {};
}

Result<Rule> RuleReader::rule(const YamlNode& node) {
  TRY_STATUS(
      keys(node, "a rule", {"name", "at", "do", "when", "active", "sample", "limit", "capture", "scrub", "explains"}));
  Rule rule;
  rule.position = {file_, node.line, node.column};
  rule.capture = kDefaultCapture;
  rule.scrub.builtin = kScrubCards | kScrubTokens | kScrubMails;
  const YamlNode* name = node.find("name");
  if (!name) return fail(node, "a rule needs a name: add 'name: …'");
  TRY(rule.name, text(*name, "a rule's name"));
  if (!is_name(rule.name))
    return fail(*name,
                fmt::format("'{}' is no name: letters, digits, '-', '_' and '.', at most {}", rule.name, kMaxName));
  const YamlNode* at = node.find("at");
  if (!at) return fail(node, fmt::format("rule {} does not say where: add 'at: os.OpenFile' or the like", rule.name));
  TRY(rule.at, join_point(*at));
  if (only_negative(rule.at)) return fail(*at, "only what it is not: combine 'not' with something else in 'all-of'");
  const YamlNode* what = node.find("do");
  if (!what) return fail(node, fmt::format("rule {} does not say what to do: add 'do: record' or the like", rule.name));
  TRY(rule.advice, advice(*what));
  TRY_STATUS(fits(*what, rule));
  if (const YamlNode* when = node.find("when")) {
    TRY(rule.when, condition(*when, true));
  }
  if (const YamlNode* active = node.find("active")) {
    TRY(rule.active, boolean(*active, "active"));
  }
  TRY_STATUS(pace(node, rule));
  if (const YamlNode* calls = node.find("explains")) {
    TRY(rule.explains, explains(*calls, rule));
  }
  rule.inputs = inputs_of(rule);
  if (rule.inputs.size() > kMaxInputs / 2)
    return fail(node, fmt::format("rule {} reads {} arguments; {} are the most", rule.name, rule.inputs.size(),
                                  kMaxInputs / 2));
  return rule;
}

std::vector<std::string> inputs_of(const Rule& rule) {
  std::vector<std::string> inputs;
  auto add = [&](const std::string& name) {
    if (!name.empty() && name != "*" && std::find(inputs.begin(), inputs.end(), name) == inputs.end())
      inputs.push_back(name);
  };
  auto walk = [&](auto&& self, const Condition& condition) -> void {
    add(condition.argument);
    for (const Condition& part : condition.parts) self(self, part);
  };
  if (rule.when) walk(walk, *rule.when);
  for (const std::string& name : rule.advice.arguments) add(name);
  for (const std::string& name : rule.scrub.arguments) add(name);
  const auto& arguments = rule.advice.arguments;
  if (std::find(arguments.begin(), arguments.end(), "*") != arguments.end()) inputs.push_back("*");
  return inputs;
}

// ── at ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

Result<JoinPoint> RuleReader::join_point(const YamlNode& node, int depth) {
  using Kind = JoinPoint::Kind;
  if (depth > kMaxNesting) return fail(node, fmt::format("join points nested deeper than {} levels", kMaxNesting));
  JoinPoint point;
  if (node.kind == YamlNode::Kind::scalar) {  // at: os.OpenFile
    TRY(point.pattern, pattern(node, "a function's name"));
    return point;
  }
  static const std::vector<std::pair<std::string, Kind>> kinds = {
      {"function", Kind::function}, {"package", Kind::package},     {"module", Kind::module},
      {"receiver", Kind::receiver}, {"signature", Kind::signature}, {"call", Kind::call},
      {"literal", Kind::literal},   {"directive", Kind::directive}, {"all-of", Kind::all_of},
      {"any-of", Kind::any_of},     {"not", Kind::negation}};
  std::vector<std::string> known = {"in"};
  for (const auto& [name, kind] : kinds) known.push_back(name);
  TRY_STATUS(keys(node, "a join point", known));
  const YamlNode *chosen = nullptr, *in = node.find("in");
  for (const auto& [name, kind] : kinds) {
    const YamlNode* value = node.find(name);
    if (!value) continue;
    if (chosen)
      return fail(
          *value,
          fmt::format("a join point is of one kind, and this is '{}' too: combine several with 'all-of' or 'any-of'",
                      name));
    chosen = value;
    point.kind = kind;
  }
  if (!chosen)
    return fail(node,
                "where? name one of function, package, module, receiver, signature, call, literal, directive, all-of, "
                "any-of, not");
  if (in && point.kind != Kind::call && point.kind != Kind::literal)
    return fail(*in, "'in' goes with 'call' and 'literal': it names the function around it");
  switch (point.kind) {
    case Kind::all_of:
    case Kind::any_of:
    case Kind::negation:
      return combined(*chosen, point.kind, depth);
    case Kind::signature:
      return signature(*chosen);
    case Kind::function:
    case Kind::package:
    case Kind::module:
    case Kind::receiver:
    case Kind::call:
    case Kind::literal:
    case Kind::directive:
      break;
  }
  TRY(point.pattern, pattern(*chosen, "the pattern"));
  if (in) {
    TRY(point.in, pattern(*in, "the pattern of the function around it"));
  }
  return point;
}

Result<JoinPoint> RuleReader::combined(const YamlNode& node, JoinPoint::Kind kind, int depth) {
  JoinPoint point;
  point.kind = kind;
  if (kind == JoinPoint::Kind::negation) {
    TRY(JoinPoint part, join_point(node, depth + 1));
    point.parts.push_back(std::move(part));
    return point;
  }
  if (node.kind != YamlNode::Kind::sequence || node.items.empty())
    return fail(node, "all-of and any-of take a list of join points, with at least one in it");
  for (const YamlNode& item : node.items) {
    TRY(JoinPoint part, join_point(item, depth + 1));
    point.parts.push_back(std::move(part));
  }
  return point;
}

Result<JoinPoint> RuleReader::signature(const YamlNode& node) {
  TRY_STATUS(keys(node, "a signature", {"has", "returns"}));
  JoinPoint point;
  point.kind = JoinPoint::Kind::signature;
  for (auto [key, types] : {std::pair{"has", &point.has}, std::pair{"returns", &point.returns}}) {
    const YamlNode* list = node.find(key);
    if (!list) continue;
    if (list->kind != YamlNode::Kind::sequence)
      return fail(*list, fmt::format("{} has to be a list of types, as in [error]", key));
    for (const YamlNode& item : list->items) {
      TRY(std::string type, pattern(item, "a type"));
      types->push_back(std::move(type));
    }
  }
  if (point.has.empty() && point.returns.empty())
    return fail(node, "a signature needs 'has' or 'returns' with a type in it");
  return point;
}

// ── do ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

Result<Advice> RuleReader::advice(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::scalar) {
    if (node.text == "count") return Advice{.kind = Advice::Kind::count};
    if (node.text == "record") return Advice{.arguments = {"*"}, .results = {"*"}, .duration = true};
    return fail(node,
                fmt::format("'{}' is no advice by itself{}", node.text, near_name(node.text, {"record", "count"})));
  }
  TRY_STATUS(keys(node, "do", {"record", "count", "abort", "replace"}));
  if (node.entries.size() != 1)
    return fail(node, "a rule does one thing; to do another at the same place, write another rule");
  const auto& [key, value] = node.entries[0];
  if (key.text == "record") return record(value);
  if (key.text == "abort") return abort(value);
  if (key.text == "replace") return replace(value);
  return fail(key, "write 'do: count', without more");
}

Result<Advice> RuleReader::record(const YamlNode& node) {
  TRY_STATUS(keys(node, "record", {"arguments", "results", "duration", "stack"}));
  Advice advice;
  if (const YamlNode* list = node.find("arguments")) {
    TRY(advice.arguments, names(*list, "arguments", true));
  }
  if (const YamlNode* list = node.find("results")) {
    TRY(advice.results, names(*list, "results", true));
  }
  if (const YamlNode* value = node.find("duration")) {
    TRY(advice.duration, boolean(*value, "duration"));
  }
  if (const YamlNode* value = node.find("stack")) {
    TRY(advice.stack, boolean(*value, "stack"));
  }
  return advice;
}

Result<Advice> RuleReader::abort(const YamlNode& node) {
  Advice advice{.kind = Advice::Kind::abort};
  const YamlNode* error = &node;
  if (node.kind == YamlNode::Kind::mapping) {
    TRY_STATUS(keys(node, "abort", {"error", "results", "arguments"}));
    error = node.find("error");
    const YamlNode* results = node.find("results");
    if (!error == !results)
      return fail(node, "abort with 'error: TEXT' or with 'results: [EXPRESSION, …]': one of the two");
    if (const YamlNode* list = node.find("arguments")) {
      TRY(advice.arguments, names(*list, "arguments", true));
    }
    if (results) {
      if (results->kind != YamlNode::Kind::sequence || results->items.empty())
        return fail(*results, "results has to be a list of Go expressions, one for each result");
      for (const YamlNode& item : results->items) {
        TRY(std::string expression, pattern(item, "a Go expression"));
        advice.expressions.push_back(std::move(expression));
      }
      return advice;
    }
  }
  TRY(advice.error, pattern(*error, "the error's text"));
  return advice;
}

Result<Advice> RuleReader::replace(const YamlNode& node) {
  Advice advice{.kind = Advice::Kind::replace};
  const YamlNode* with = &node;
  if (node.kind == YamlNode::Kind::mapping) {
    TRY_STATUS(keys(node, "replace", {"with"}));
    with = node.find("with");
    if (!with) return fail(node, "replace it with what? add 'with: import/path.Func'");
  }
  TRY(advice.with, pattern(*with, "the replacement"));
  std::size_t slash = advice.with.rfind('/'), dot = advice.with.rfind('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash) || dot == 0 ||
      !is_parameter(std::string_view(advice.with).substr(dot + 1), false) || advice.with.find(' ') != std::string::npos)
    return fail(*with, fmt::format("'{}' names no function: write 'import/path.Func'", advice.with));
  return advice;
}

// Whether the advice can be done at such a join point.
Status RuleReader::fits(const YamlNode& node, const Rule& rule) {
  const Shape shape = shape_of(rule.at);
  if (shape.function + shape.call + shape.literal > 1)
    return fail(node,
                fmt::format("rule {} hooks functions, calls and literals at once: write a rule for each", rule.name));
  switch (rule.advice.kind) {
    case Advice::Kind::replace:
      if (!shape.call) return fail(node, "replace needs calls to replace: 'at: {call: FUNCTION}'");
      break;
    case Advice::Kind::abort:
      if (!shape.function)
        return fail(node, "abort makes a function return: 'at' has to name functions, not calls or literals");
      break;
    case Advice::Kind::record:
      if (shape.function || node.kind == YamlNode::Kind::scalar) break;
      if (rule.advice.duration || !rule.advice.results.empty())
        return fail(node,
                    "a call site or a literal has no duration and no results to record: hook the function itself");
      break;
    case Advice::Kind::count:
      break;
  }
  return {};
}

}  // namespace sandbox_run::hooks
