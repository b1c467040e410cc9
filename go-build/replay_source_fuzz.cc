// Whatever the text: bounded reading, and no import comes out that a configuration file could not hold as one word.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "go-build/replay.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run::go_build;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto imports = plain_imports(text))
    for (const auto& path : *imports)
      if (path.empty() || path.find_first_of(" \t\r\n\"'=\\") != std::string::npos || path[0] == '/' || path[0] == '.')
        std::abort();
  if (auto recipe = Recipe::parse(text); recipe && !Recipe::load(recipe->save())) std::abort();
  (void)Recipe::load(text);
  return 0;
}
