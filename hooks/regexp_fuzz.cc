// First line: a pattern; the rest: a text. The table has no index outside itself, and a match is still one after
// something is put before an unanchored pattern's text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "hooks/layout.h"
#include "hooks/regexp.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run::hooks;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\n'), input.size());
  const std::string_view pattern = input.substr(0, end), text = input.substr(std::min(end + 1, input.size()));
  if (pattern.size() > 200) return 0;
  auto dfa = compile_regexp(pattern);
  if (!dfa) return 0;
  DfaHeader header;
  std::memcpy(&header, dfa->data(), sizeof header);
  if (header.size != dfa->size() || header.size > kMaxDfaSize || header.states > kMaxDfaStates ||
      header.start >= header.states || header.classes > 256)
    std::abort();
  const std::size_t next = sizeof header + 256 + ((header.states + 3) & ~3u);
  if (next + 2 * std::size_t{header.states} * header.classes != dfa->size()) std::abort();
  for (std::size_t i = 0; i < 256; ++i)
    if (static_cast<std::uint8_t>((*dfa)[sizeof header + i]) >= header.classes) std::abort();
  for (std::size_t at = next; at < dfa->size(); at += 2) {
    std::uint16_t target;
    std::memcpy(&target, dfa->data() + at, sizeof target);
    if (target >= header.states) std::abort();
  }
  const bool anchored = pattern.find_first_of("^\\$") != std::string_view::npos;
  if (dfa_matches(*dfa, text) && !anchored && !dfa_matches(*dfa, "x" + std::string(text))) std::abort();
  return 0;
}
