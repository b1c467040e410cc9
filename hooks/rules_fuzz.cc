// Whatever the text, reading rules answers; and what it takes has an arena in its bounds, JSON that parses, and can be
// reloaded into itself.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "hooks/layout.h"
#include "hooks/rules.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run::hooks;
  auto rules = parse_rules({reinterpret_cast<const char*>(data), size}, "f");
  if (!rules) {
    if (rules.error().what.rfind("f:", 0) != 0) std::abort();  // every error has its place
    return 0;
  }
  if (rules->arena.size() > kArenaSize || rules->rules.empty() || rules->rules.size() > kMaxRules) std::abort();
  for (std::size_t i = 0; i < rules->rules.size(); ++i) {
    RuleRecord record;
    std::memcpy(&record, rules->arena.data() + i * sizeof record, sizeof record);
    const std::uint64_t end = record.condition + std::uint64_t{record.condition_count} * sizeof(Instruction);
    if (end > rules->arena.size() || record.capture > kMaxCapture) std::abort();
  }
  if (nlohmann::json::parse(to_json(*rules), nullptr, false).is_discarded()) std::abort();
  if (!for_reload(*rules, *rules)) std::abort();
  return 0;
}
