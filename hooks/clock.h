// CLOCK_MONOTONIC, which Go's runtime.nanotime reads too.
#pragma once

#include <time.h>

#include <cstdint>

namespace sandbox_run::hooks {

inline std::uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace sandbox_run::hooks
