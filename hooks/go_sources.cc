#include "hooks/go_sources.h"

// For each file, `EMBED(name, "path below hooks/", "its host path")`: made by CMakeLists.txt.
#define EMBED(name, path, file)                                                                       \
  asm(".pushsection .rodata\n" #name "_begin:\n.incbin \"" file "\"\n" #name "_end:\n.popsection\n"); \
  extern const char name##_begin[] asm(#name "_begin");                                               \
  extern const char name##_end[] asm(#name "_end");
#include "go_sources.inc"
#undef EMBED

namespace sandbox_run::hooks {

const std::vector<std::pair<std::string_view, std::string_view>>& go_sources() {
#define EMBED(name, path, file) {path, {name##_begin, static_cast<std::size_t>(name##_end - name##_begin)}},
  static const std::vector<std::pair<std::string_view, std::string_view>> sources = {
#include "go_sources.inc"
  };
#undef EMBED
  return sources;
}

}  // namespace sandbox_run::hooks
