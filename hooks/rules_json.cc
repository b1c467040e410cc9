#include "hooks/rules_json.h"

#include <nlohmann/json.hpp>

#include "base/sha256.h"

namespace sandbox_run::hooks {
namespace {

using nlohmann::ordered_json;

ordered_json json_of(const JoinPoint& at) {
  using Kind = JoinPoint::Kind;
  auto parts = [&] {
    ordered_json list = ordered_json::array();
    for (const JoinPoint& part : at.parts) list.push_back(json_of(part));
    return list;
  };
  switch (at.kind) {
    case Kind::function:
      return {{"function", at.pattern}};
    case Kind::package:
      return {{"package", at.pattern}};
    case Kind::module:
      return {{"module", at.pattern}};
    case Kind::receiver:
      return {{"receiver", at.pattern}};
    case Kind::directive:
      return {{"directive", at.pattern}};
    case Kind::signature: {
      ordered_json signature = ordered_json::object();
      if (!at.has.empty()) signature["has"] = at.has;
      if (!at.returns.empty()) signature["returns"] = at.returns;
      return {{"signature", signature}};
    }
    case Kind::call:
    case Kind::literal: {
      ordered_json place = {{at.kind == Kind::call ? "call" : "literal", at.pattern}};
      if (!at.in.empty()) place["in"] = at.in;
      return place;
    }
    case Kind::all_of:
      return {{"all_of", parts()}};
    case Kind::any_of:
      return {{"any_of", parts()}};
    case Kind::negation:
      return {{"not", json_of(at.parts[0])}};
  }
  return {};
}

ordered_json json_of(const Advice& advice) {
  switch (advice.kind) {
    case Advice::Kind::record:
      return {{"kind", "record"},
              {"arguments", advice.arguments},
              {"results", advice.results},
              {"duration", advice.duration},
              {"stack", advice.stack}};
    case Advice::Kind::count:
      return {{"kind", "count"}};
    case Advice::Kind::abort: {
      ordered_json json = {{"kind", "abort"}, {"arguments", advice.arguments}};
      if (advice.expressions.empty()) {
        json["error"] = advice.error;
      } else {
        json["results"] = advice.expressions;
      }
      return json;
    }
    case Advice::Kind::replace:
      return {{"kind", "replace"}, {"with", advice.with}};
  }
  return {};
}

// A rules file may hold any bytes in a text; JSON holds UTF-8.
std::string dump(const ordered_json& json) { return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace); }

}  // namespace

std::string join_point_json(const JoinPoint& at) { return dump(json_of(at)); }
std::string advice_json(const Advice& advice) { return dump(json_of(advice)); }

std::string to_json(const RuleSet& rules) {
  ordered_json list = ordered_json::array();
  for (const Rule& rule : rules.rules) {
    // What the rewriter's output depends on. Not the line: moving a rule down in its file must not cost a build.
    ordered_json built = {{"index", rule.index},
                          {"name", rule.name},
                          {"at", json_of(rule.at)},
                          {"advice", json_of(rule.advice)},
                          {"inputs", rule.inputs}};
    ordered_json one = {{"index", rule.index},        {"name", rule.name},
                        {"file", rule.position.file}, {"line", rule.position.line},
                        {"at", built["at"]},          {"advice", built["advice"]},
                        {"inputs", rule.inputs},      {"hash", sha256(dump(built)).hex().substr(0, 16)}};
    // A set is used as a whole: a program without SQL may use std:sql, and that matches nothing.
    if (rule.position.file != rules.file) one["optional"] = true;
    list.push_back(std::move(one));
  }
  return dump({{"version", 1}, {"file", rules.file}, {"rules", list}});
}

}  // namespace sandbox_run::hooks
