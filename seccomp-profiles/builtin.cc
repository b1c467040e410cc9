// The built-in profiles, compiled when the project was built: text and program lie in the binary's read-only data.
#include "seccomp-profiles/builtin.h"

#include <mutex>

#include "seccomp-profiles/filter.h"

namespace sandbox_run::seccomp_profiles {

std::optional<std::string> builtin_text(std::string_view name) {
  for (std::size_t i = 0; i < kBuiltinCount; ++i) {
    if (kBuiltins[i].name == name) return std::string(kBuiltins[i].text);
  }
  return std::nullopt;
}

std::vector<std::string> Profile::builtin_names() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kBuiltinCount; ++i) {
    if (kBuiltins[i].length != 0) names.emplace_back(kBuiltins[i].name);
  }
  return names;
}

const Filter* builtin_filter(std::string_view name) {
  // A launch needs one of them, and copying all costs it 10 µs of page faults.
  static std::mutex mutex;
  static std::vector<Filter> filters(kBuiltinCount);
  for (std::size_t i = 0; i < kBuiltinCount; ++i) {
    if (kBuiltins[i].name != name || kBuiltins[i].length == 0) continue;
    const std::lock_guard lock(mutex);
    std::vector<sock_filter>& program = filters[i].program;
    if (program.empty()) program.assign(kBuiltins[i].program, kBuiltins[i].program + kBuiltins[i].length);
    return &filters[i];
  }
  return nullptr;
}

}  // namespace sandbox_run::seccomp_profiles
