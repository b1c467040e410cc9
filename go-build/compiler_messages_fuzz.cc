// Whatever a compiler prints: bounded, free of control characters, valid UTF-8 enough to stand in JSON.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/text.h"
#include "go-build/compiler_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run::go_build;
  std::string_view raw(reinterpret_cast<const char*>(data), size);
  auto messages = read_compiler_messages(raw, sandbox_run::Bytes{size}, sandbox_run::Bytes{512});
  if (messages.output.size() > 512) std::abort();
  if (messages.diagnostics.size() > kMaxDiagnostics) std::abort();
  for (unsigned char c : messages.output)
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) std::abort();
  for (const auto& diagnostic : messages.diagnostics) {
    if (diagnostic.message.find('\n') != std::string::npos || diagnostic.line < 0 || diagnostic.column < 0)
      std::abort();
    if (sandbox_run::escape_line(diagnostic.message) != diagnostic.message) std::abort();
  }
  return 0;
}
