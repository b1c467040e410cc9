// go.mod files of every role: never a crash, and what both roles accept means the same in both.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sum-verify/go_mod.h"
#include "sum-verify/vendor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run::sum_verify;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const GoModParse main = parse_go_mod(text, GoModRole::main_module);
  const GoModParse dependency = parse_go_mod(text, GoModRole::dependency);
  (void)parse_go_mod(text, GoModRole::workspace);
  (void)parse_vendor_list(text);
  if (!main.problems.empty()) return 0;
  // The lax reading of a good file differs in nothing that both look at.
  if (!dependency.problems.empty() || dependency.mod.module.text != main.mod.module.text ||
      dependency.mod.go.text != main.mod.go.text || dependency.mod.require.size() != main.mod.require.size()) {
    std::abort();
  }
  return 0;
}
