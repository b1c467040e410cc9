#include "hooks/hook_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sandbox_run::hooks {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostText = 4096;  // of one string in it

std::string text(const Json& object, const char* name) {
  return object.at(name).get<std::string>().substr(0, kMostText);
}

// Package paths and hashes become words of a command line.
bool is_word(std::string_view word) {
  return !word.empty() && word[0] != '-' && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return c > ' ' && c != '=' && c != '"' && c != '\'' && c != 0x7F;
  });
}

PlannedPackage read_package(const Json& object) {
  PlannedPackage package;
  package.path = text(object, "path");
  package.standard = object.at("standard").get<bool>();
  package.hash = text(object, "hash");
  for (const Json& site : object.at("sites"))
    package.sites.push_back({site.at("rule").get<std::uint32_t>(), text(site, "function"), text(site, "file"),
                             site.at("line").get<std::uint32_t>()});
  return package;
}

}  // namespace

Result<HookPlan> parse_hook_plan(std::string_view json) {
  HookPlan plan;
  try {
    const Json root = Json::parse(json);
    if (root.at("version") != 1) return self_error("the hook rewriter's plan is not version 1");
    for (const Json& object : root.at("packages")) plan.packages.push_back(read_package(object));
    for (const Json& name : root.at("dependencies")) plan.dependencies.push_back(name.get<std::string>());
    if (root.contains("linked"))
      for (const Json& name : root["linked"]) plan.linked.push_back(name.get<std::string>());
    for (const Json& object : root.at("refused"))
      plan.refused.push_back({object.at("rule").get<std::uint32_t>(), text(object, "function"), text(object, "why")});
    for (const Json& object : root.at("errors"))
      plan.errors.push_back(
          {object.at("rule").get<std::uint32_t>(), object.at("line").get<std::uint32_t>(), text(object, "message")});
    for (const Json& object : root.at("rules"))
      plan.rules.push_back({object.at("rule").get<std::uint32_t>(), object.at("sites").get<std::uint64_t>(),
                            object.at("doubt").get<bool>()});
  } catch (const Json::exception& error) {
    return self_error(std::string("the hook rewriter's plan cannot be read: ") + error.what());
  }
  for (const PlannedPackage& package : plan.packages)
    if (!is_word(package.path) || !is_word(package.hash))
      return self_error("the hook rewriter's plan names a package that cannot be one: '" + package.path + "'");
  for (const std::string& name : plan.dependencies)
    if (!is_word(name))
      return self_error("the hook rewriter's plan names a package that cannot be one: '" + name + "'");
  return plan;
}

}  // namespace sandbox_run::hooks
