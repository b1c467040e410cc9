// The parts of RuleReader about how much is recorded and what it accounts for: limit, scrub, explains.
#include <fmt/format.h>

#include <algorithm>

#include "hooks/join_shape.h"
#include "hooks/layout.h"
#include "hooks/near_name.h"
#include "hooks/regexp.h"
#include "hooks/rule_reader.h"
#include "hooks/system_calls.h"
#include "hooks/trace.h"

namespace sandbox_run::hooks {

Status RuleReader::limit(const YamlNode& node, Rule& rule) {
  if (node.kind == YamlNode::Kind::sequence) {
    if (node.items.empty() || node.items.size() > 2)
      return fail(node, "limit takes a rate, a number, or both: [1000/s, 5000]");
    for (const YamlNode& item : node.items) {
      if (item.kind == YamlNode::Kind::sequence)
        return fail(item, "limit takes a rate, a number, or both: [1000/s, 5000]");
      TRY_STATUS(limit(item, rule));
    }
    return {};
  }
  if (node.text.ends_with("/s")) {
    TRY(std::uint64_t value, rate(node));
    rule.per_second = static_cast<std::uint32_t>(value);
    return {};
  }
  TRY(rule.limit, whole(node, "limit (events in all, or with '/s' a second)", 1'000'000'000'000'000));
  return {};
}

Result<std::uint32_t> RuleReader::scrub_names(const YamlNode& node) {
  static const std::vector<std::pair<std::string, std::uint32_t>> kinds = {
      {"cards", kScrubCards}, {"tokens", kScrubTokens}, {"mails", kScrubMails}, {"keys", kScrubKeys}};
  if (node.kind != YamlNode::Kind::sequence)
    return fail(node, "what to scrub is a list out of cards, tokens, mails, keys; [] is nothing");
  std::uint32_t bits = 0;
  for (const YamlNode& item : node.items) {
    auto found = std::find_if(kinds.begin(), kinds.end(), [&](const auto& kind) { return kind.first == item.text; });
    if (found == kinds.end())
      return fail(item, fmt::format("'{}' is nothing to scrub{}", item.text,
                                    near_name(item.text, {"cards", "tokens", "mails", "keys"})));
    bits |= found->second;
  }
  return bits;
}

Result<Scrub> RuleReader::scrub(const YamlNode& node) {
  Scrub scrub{.builtin = kScrubCards | kScrubTokens | kScrubMails};
  if (node.kind != YamlNode::Kind::mapping) {
    TRY(scrub.builtin, scrub_names(node));
    return scrub;
  }
  TRY_STATUS(keys(node, "scrub", {"builtin", "patterns", "arguments"}));
  if (const YamlNode* list = node.find("builtin")) {
    TRY(scrub.builtin, scrub_names(*list));
  }
  if (const YamlNode* list = node.find("patterns")) {
    if (list->kind != YamlNode::Kind::sequence) return fail(*list, "patterns has to be a list of regular expressions");
    for (const YamlNode& item : list->items) {
      TRY(std::string expression, text(item, "a regular expression"));
      if (auto compiled = compile_regexp(expression); !compiled) return fail(item, compiled.error().what);
      scrub.patterns.push_back(std::move(expression));
    }
  }
  if (const YamlNode* list = node.find("arguments")) {
    TRY(scrub.arguments, names(*list, "arguments", false));
  }
  return scrub;
}

Result<Explains> RuleReader::explains(const YamlNode& node, const Rule& rule) {
  static const std::vector<std::string> kPathNames = {"name", "path", "file", "filename", "dir", "dirname", "#0"};
  if (rule.advice.kind != Advice::Kind::record || (!rule.advice.duration && rule.advice.results.empty()))
    return fail(node, "only a call whose end is seen can explain: record its duration or a result");
  if (shape_of(rule.at).call || shape_of(rule.at).literal)
    return fail(node, "a call site or a literal has no end, so it explains nothing: hook the function itself");
  const YamlNode* list = &node;
  Explains explains;
  if (node.kind == YamlNode::Kind::mapping) {
    TRY_STATUS(keys(node, "explains", {"calls", "path", "always"}));
    list = node.find("calls");
    if (!list) return fail(node, "which system calls? add 'calls: [openat]'");
    if (const YamlNode* path = node.find("path")) {
      TRY(explains.path, names(*path, "path", false));
    }
    if (const YamlNode* always = node.find("always")) {
      TRY(explains.always, boolean(*always, "always"));
    }
  } else {
    for (const std::string& name : rule.advice.arguments)
      if (std::find(kPathNames.begin(), kPathNames.end(), name) != kPathNames.end()) explains.path.push_back(name);
  }
  if (list->kind != YamlNode::Kind::sequence || list->items.empty())
    return fail(*list, "explains takes a list of system calls, as in [openat]");
  for (const YamlNode& item : list->items) {
    auto number = call_number(item.text);
    if (!number)
      return fail(item, fmt::format("'{}' is no system call that can be witnessed{}", item.text, near_call(item.text)));
    explains.calls.push_back(item.text);
    explains.numbers.push_back(*number);
  }
  for (const std::string& name : explains.path) {
    const auto& recorded = rule.advice.arguments;
    if (std::find(recorded.begin(), recorded.end(), name) == recorded.end() &&
        std::find(recorded.begin(), recorded.end(), "*") == recorded.end())
      return fail(node, fmt::format("the path is to be compared with '{}', which the rule does not record", name));
  }
  return explains;
}

}  // namespace sandbox_run::hooks
