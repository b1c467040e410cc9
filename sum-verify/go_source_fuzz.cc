// Go and assembly files: never a crash; every finding lies inside the text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sum-verify/build_constraint.h"
#include "sum-verify/go_source.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run::sum_verify;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
  const GoSource source = scan_go_source(text);
  for (const GoImport& import : source.imports) {
    if (import.line < 1 || import.line > lines) std::abort();
  }
  for (const GoDirective& directive : source.directives) {
    if (directive.line < 1 || directive.line > lines || text.find(directive.text.substr(0, 4)) == text.npos)
      std::abort();
  }
  for (const AssemblyInclude& include : scan_assembly_includes(text)) {
    if (include.line < 1 || include.line > lines) std::abort();
  }
  BuildContext context;
  context.go_minor = 26;
  (void)match_header(text, context);
  (void)evaluate_constraint(text, context);
  (void)match_file_name(text, context);
  return 0;
}
