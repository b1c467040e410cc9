// Enumerations whose values have a name and a meaning in words, all three written once: as a macro that calls its
// argument with (id, name, meaning) for each value, in order.
#pragma once

#include <cstddef>
#include <iterator>
#include <string_view>

namespace sandbox_run {

struct NamedValue {
  std::string_view name, meaning;
};

}  // namespace sandbox_run

#define SANDBOX_RUN_ENUM_ID(id, name, meaning) id,
#define SANDBOX_RUN_ENUM_ROW(id, name, meaning) {name, meaning},

// Declares Type, kTypeValues (a NamedValue of each), name_of(Type) and meaning_of(Type).
#define SANDBOX_RUN_NAMED_ENUM(Type, list)                                                                  \
  enum class Type { list(SANDBOX_RUN_ENUM_ID) };                                                            \
  inline constexpr ::sandbox_run::NamedValue k##Type##Values[] = {list(SANDBOX_RUN_ENUM_ROW)};              \
  constexpr std::string_view name_of(Type value) { return k##Type##Values[std::size_t(value)].name; }       \
  constexpr std::string_view meaning_of(Type value) { return k##Type##Values[std::size_t(value)].meaning; } \
  static_assert(std::size(k##Type##Values) > 0)
