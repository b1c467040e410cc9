#include "runner/progress.h"

#include <fmt/format.h>
#include <sys/random.h>

namespace sandbox_run::runner {

std::string random_id() {
  std::uint64_t bits = 0;
  // Without GRND_NONBLOCK it fails for no reason but a signal, which cannot interrupt 8 bytes.
  while (::getrandom(&bits, sizeof bits, 0) != sizeof bits) {
  }
  return fmt::format("{:016x}", bits);
}

void Progress::begin_again(const report::Report& common) {
  report = common;
  report.id = random_id();
  report.timeline.clear();
  begin_ = Clock::now();
}

}  // namespace sandbox_run::runner
