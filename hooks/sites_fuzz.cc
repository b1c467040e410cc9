// Whatever the bytes of an executable, its sites are read inside them and within bounds.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "hooks/sites.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run::hooks;
  std::string copy(reinterpret_cast<const char*>(data), size);
  auto sites = read_sites(std::string_view(copy));
  if (!sites) return 0;
  for (const Site& site : sites->sites)
    if (sites->find(site.address) == nullptr || site.rule >= kMaxRules) std::abort();
  return 0;
}
