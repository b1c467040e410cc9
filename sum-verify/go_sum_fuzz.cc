// go.sum files: never a crash, and a conflict is one whichever way round the file is read.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/text.h"
#include "sum-verify/go_sum.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run::sum_verify;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const GoSum sum = GoSum::parse(text);
  std::vector<std::string> lines;
  for (std::string_view rest = text; !rest.empty();) lines.emplace_back(sandbox_run::take_line(rest));
  std::reverse(lines.begin(), lines.end());
  std::string reversed;
  for (const std::string& line : lines) reversed += line + "\n";
  const GoSum backwards = GoSum::parse(reversed);
  if (sum.conflicts() != backwards.conflicts() || sum.problems().size() != backwards.problems().size()) std::abort();
  return 0;
}
