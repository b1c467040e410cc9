// Wire: what the supervisor and sandbox-run-fetch say to each other over one stream socket, the helper's descriptor 0.
// Each frame is a type byte, a 32-bit length (host order: both ends are one machine) and that many bytes. The helper
// talks to the network and is believed in nothing: a frame out of order or out of bounds ends it.
#pragma once

#include <cstdint>

namespace sandbox_run::fetch::wire {

enum class Frame : char {
  get = 'G',     // → "limit_bytes\ntimeout_seconds\nurl"
  total = 'T',   // ← the body's length in bytes, decimal, where the server says it
  data = 'D',    // ← a piece of the body
  result = 'E',  // ← "OUTCOME\nretry_after_seconds\nmessage": ends the answer to one get
};

// The words for OUTCOME.
inline constexpr char kOk[] = "ok";
inline constexpr char kMissing[] = "missing";      // 404 or 410
inline constexpr char kTransient[] = "transient";  // another try may help
inline constexpr char kTooLarge[] = "too-large";
inline constexpr char kFailed[] = "failed";

inline constexpr std::uint32_t kMaxFrameBytes = 1u << 20;
inline constexpr std::uint32_t kMaxUrlBytes = 8192;

}  // namespace sandbox_run::fetch::wire
