// Whatever the bytes of an executable, its sites and its line table are read inside them and within bounds.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "hooks/line_table.h"
#include "hooks/sites.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run::hooks;
  std::string copy(reinterpret_cast<const char*>(data), size);
  auto image = ProgramImage::of(copy);
  if (!image) return 0;
  if (const auto table = LineTable::of(*image))
    for (std::size_t i = 0; i < image->symbols(); ++i)
      if (const auto symbol = image->symbol(i)) (void)table->places(symbol->address + symbol->size / 2);
  auto sites = read_sites(*image);
  if (!sites) return 0;
  for (const Site& site : sites->sites)
    if (sites->find(site.address) == nullptr || site.rule >= kMaxRules) std::abort();
  return 0;
}
