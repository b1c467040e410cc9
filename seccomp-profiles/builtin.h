// The table the profile compiler writes at build time (builtin_profiles.cc in the build directory).
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <string_view>

namespace sandbox_run::seccomp_profiles {

struct Builtin {
  std::string_view name;
  std::string_view text;
  const sock_filter* program;
  std::size_t length;  // instructions; 0 for a text that is only there to be included
};

extern const Builtin kBuiltins[];
extern const std::size_t kBuiltinCount;

}  // namespace sandbox_run::seccomp_profiles
