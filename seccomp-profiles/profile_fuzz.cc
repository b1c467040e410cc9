// Whatever the text, parse() answers; what it accepts compiles to a filter that agrees with its rules (compile checks).
#include <cstdlib>

#include "seccomp-profiles/filter.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace sandbox_run::seccomp_profiles;
  const auto profile = Profile::parse(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!profile) return 0;
  const auto filter = compile(*profile);
  // libseccomp may say no (a chain too long); a filter that disagrees with its rules is what must never come out.
  if (!filter && filter.error().what.find("the compiled filter answers") != std::string::npos) std::abort();
  return 0;
}
