// The shipped sets: the files in hooks/sets, embedded by the build.
#include <array>

#include "hooks/rules.h"

namespace sandbox_run::hooks {
namespace {

struct ShippedSet {
  std::string_view name, text;
};
constexpr ShippedSet kSets[] = {
#include "builtin_sets.inc"
};

}  // namespace

std::vector<std::string> set_names() {
  std::vector<std::string> names;
  for (const ShippedSet& set : kSets) names.emplace_back(set.name);
  return names;
}

std::optional<std::string_view> set_text(std::string_view name) {
  for (const ShippedSet& set : kSets)
    if (set.name == name) return set.text;
  return std::nullopt;
}

}  // namespace sandbox_run::hooks
