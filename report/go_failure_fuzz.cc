// Any bytes may stand on a program's stderr; reading them must neither crash nor claim more than the bounds allow.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "report/go_failure.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto failure = sandbox_run::report::parse_go_failure({reinterpret_cast<const char*>(data), size});
  if (failure && (failure->message.size() > 4096 || failure->goroutine.size() > 512 || failure->location.size() > 512))
    std::abort();
  return 0;
}
