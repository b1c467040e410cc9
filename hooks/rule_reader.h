// RuleReader: the grammar of a rules file, one method a concept. Reads a tree; touches nothing else.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "hooks/rules.h"
#include "hooks/yaml_tree.h"

namespace sandbox_run::hooks {

class RuleReader {
 public:
  explicit RuleReader(std::string file) : file_(std::move(file)) {}

  // The rules of `document` with those of the sets it uses before them. Bounds that concern all rules together, and
  // conflicts between them, are the caller's.
  Result<RuleSet> read(const YamlNode& document);

 private:
  Result<Rule> rule(const YamlNode& node);
  Status use(const YamlNode& node, RuleSet& rules);

  static constexpr int kMaxNesting = 16;  // of join points in one another, and of conditions

  Result<JoinPoint> join_point(const YamlNode& node, int depth = 0);
  Result<JoinPoint> combined(const YamlNode& node, JoinPoint::Kind kind, int depth);
  Result<JoinPoint> signature(const YamlNode& node);
  Result<Advice> advice(const YamlNode& node);
  Result<Advice> record(const YamlNode& node);
  Result<Advice> abort(const YamlNode& node);
  Result<Advice> replace(const YamlNode& node);
  Status fits(const YamlNode& node, const Rule& rule);

  Result<Condition> condition(const YamlNode& node, bool rate_allowed, int depth = 0);
  Result<Condition> combination(const YamlNode& node, const std::string& key, bool rate_allowed, int depth);
  Result<Condition> comparison(const YamlNode& node);
  Result<Condition> test(const YamlNode& key, const YamlNode& value);
  Result<Condition> equality(const YamlNode& value);
  Result<Condition> number(const YamlNode& value, Condition::Order order);
  Result<Condition> length(const YamlNode& value);
  Result<Condition> member(const YamlNode& value);

  Status pace(const YamlNode& node, Rule& rule);
  Status limit(const YamlNode& node, Rule& rule);
  Result<Scrub> scrub(const YamlNode& node);
  Result<std::uint32_t> scrub_names(const YamlNode& node);
  Result<Explains> explains(const YamlNode& node, const Rule& rule);

  // What every key is read with.
  Status keys(const YamlNode& node, const std::string& what, const std::vector<std::string>& known) const;
  Result<std::string> text(const YamlNode& node, const std::string& what) const;
  Result<std::string> pattern(const YamlNode& node, const std::string& what) const;
  Result<std::vector<std::string>> names(const YamlNode& node, const std::string& what, bool star) const;
  Result<bool> boolean(const YamlNode& node, const std::string& what) const;
  Result<std::uint64_t> whole(const YamlNode& node, const std::string& what, std::uint64_t most) const;
  Result<std::uint64_t> rate(const YamlNode& node) const;
  Error fail(const YamlNode& node, const std::string& message) const { return error_at(file_, node, message); }

  std::string file_;
};

// The named inputs of a rule in their order: those of its condition, then those it records or masks.
std::vector<std::string> inputs_of(const Rule& rule);

}  // namespace sandbox_run::hooks
