#include "hooks/rules.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/files.h"
#include "hooks/arena.h"
#include "hooks/layout.h"
#include "hooks/near_name.h"
#include "hooks/rule_reader.h"
#include "hooks/rules_json.h"

namespace sandbox_run::hooks {
namespace {

bool excludes_others(const Rule& rule) {
  return rule.advice.kind == Advice::Kind::abort || rule.advice.kind == Advice::Kind::replace;
}

// Two rules that would both decide what happens at one place. Aborts with conditions may share a function: the first
// whose condition holds decides.
Status refuse_conflicts(const RuleSet& rules) {
  std::map<std::string, const Rule*> by_name;
  std::map<std::string, const Rule*> deciding;  // by join point
  for (const Rule& rule : rules.rules) {
    auto [twin, is_new] = by_name.try_emplace(rule.name, &rule);
    if (!is_new)
      return input_error(fmt::format("{}: there is a rule {} already, at {}: give one of them another name",
                                     text_of(rule.position), rule.name, text_of(twin->second->position)));
    if (!excludes_others(rule)) continue;
    auto [other, first] = deciding.try_emplace(join_point_json(rule.at), &rule);
    if (first) continue;
    const Rule& before = *other->second;
    const bool both_abort = rule.advice.kind == Advice::Kind::abort && before.advice.kind == Advice::Kind::abort;
    if (both_abort && rule.when && before.when) continue;
    return input_error(
        fmt::format("{}: rule {} and rule {} ({}) both decide what happens at the same place: join them into one{}",
                    text_of(rule.position), rule.name, before.name, text_of(before.position),
                    both_abort ? ", or give each a condition ('when')" : ""));
  }
  return {};
}

}  // namespace

std::string text_of(const Position& position) {
  return fmt::format("{}:{}:{}", position.file, position.line, position.column);
}

const Rule* RuleSet::find(std::string_view name) const {
  for (const Rule& rule : rules)
    if (rule.name == name) return &rule;
  return nullptr;
}

Result<RuleSet> parse_rules(std::string_view text, const std::string& file) {
  if (text.size() > kMaxRulesText)
    return input_error(fmt::format("{}:1:1: {} bytes of rules; {} are the most", file, text.size(), kMaxRulesText));
  TRY(YamlNode tree, parse_yaml(text, file));
  TRY(RuleSet rules, RuleReader(file).read(tree));
  if (rules.rules.size() > kMaxRules)
    return input_error(fmt::format("{}:1:1: {} rules; {} are the most", file, rules.rules.size(), kMaxRules));
  for (std::size_t i = 0; i < rules.rules.size(); ++i) rules.rules[i].index = static_cast<std::uint32_t>(i);
  TRY_STATUS(refuse_conflicts(rules));
  TRY(rules.arena, arena_of(rules));
  return rules;
}

Result<RuleSet> load_rules(const std::string& path) {
  auto text = read_file(path, Bytes{kMaxRulesText});
  if (!text) return input_error(fmt::format("cannot read the rules: {}", text.error().what));
  return parse_rules(*text, path);
}

Result<RuleSet> rules_named(const std::string& word) {
  // "std:files" is a set, and "./std:files" a file.
  if (word.find(':') == std::string::npos || word.find('/') != std::string::npos) return load_rules(word);
  for (std::size_t at = 0; at <= word.size();) {
    const std::size_t comma = std::min(word.find(',', at), word.size());
    const std::string set = word.substr(at, comma - at);
    if (!set_text(set)) {
      const bool is_file = set.find(':') == std::string::npos;
      return input_error(
          fmt::format("there is no set '{}'{}{}", set, near_name(set, set_names()),
                      is_file ? "; a rules file is given alone, and names sets itself: 'use: [std:files]'" : ""));
    }
    at = comma + 1;
  }
  return parse_rules(fmt::format("version: 1\nuse: [{}]\n", word), word);
}

std::vector<int> explained_calls(const RuleSet& rules) {
  std::vector<int> numbers;
  for (const Rule& rule : rules.rules)
    if (rule.explains) numbers.insert(numbers.end(), rule.explains->numbers.begin(), rule.explains->numbers.end());
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

Result<RuleSet> for_reload(const RuleSet& built, RuleSet wanted) {
  RuleSet reloaded = built;
  for (const Rule& rule : wanted.rules)
    if (!built.find(rule.name))
      return input_error(fmt::format("{}: no hook of rule {} is in the program: add it to the rules and rebuild",
                                     text_of(rule.position), rule.name));
  for (Rule& rule : reloaded.rules) {
    const Rule* now = wanted.find(rule.name);
    if (!now)
      return input_error(fmt::format("{}: rule {} is in the program and not in this file: keep it with 'active: false'",
                                     wanted.file, rule.name));
    if (join_point_json(now->at) != join_point_json(rule.at) || advice_json(now->advice) != advice_json(rule.advice))
      return input_error(
          fmt::format("{}: rule {} hooks something else, or does something else there, than what is in the "
                      "program: add it to the rules and rebuild",
                      text_of(now->position), rule.name));
    for (const std::string& input : now->inputs)
      if (std::find(rule.inputs.begin(), rule.inputs.end(), input) == rule.inputs.end())
        return input_error(
            fmt::format("{}: the hooks of rule {} in the program do not read '{}': add it to the rules and "
                        "rebuild",
                        text_of(now->position), rule.name, input));
    std::vector<std::string> inputs = rule.inputs;
    std::uint32_t index = rule.index;
    rule = *now;
    rule.inputs = std::move(inputs);
    rule.index = index;
  }
  TRY(reloaded.arena, arena_of(reloaded));
  return reloaded;
}

}  // namespace sandbox_run::hooks
