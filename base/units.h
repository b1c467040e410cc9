// Quantities with their unit in the type, and the one parser and printer of their text forms ("256MiB", "1.5s").
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sandbox_run {

struct Bytes {
  std::uint64_t count = 0;
  constexpr auto operator<=>(const Bytes&) const = default;
};
constexpr Bytes operator+(Bytes a, Bytes b) { return Bytes{a.count + b.count}; }

namespace unit_literals {
constexpr Bytes operator""_KiB(unsigned long long n) { return Bytes{n << 10}; }
constexpr Bytes operator""_MiB(unsigned long long n) { return Bytes{n << 20}; }
constexpr Bytes operator""_GiB(unsigned long long n) { return Bytes{n << 30}; }
}  // namespace unit_literals

// Processor time and elapsed time are both microseconds and must never be mixed up.
struct CpuTime {
  std::chrono::microseconds value{0};
  constexpr auto operator<=>(const CpuTime&) const = default;
};
struct WallTime {
  std::chrono::microseconds value{0};
  constexpr auto operator<=>(const WallTime&) const = default;
};

// "256MiB", "64KiB", "1GiB", "512B": a decimal number (fractions allowed above B) and a unit, which is required.
// Fails with: Fault::input, naming the accepted units, on anything else, on 0 and on more than 2^60 bytes.
Result<Bytes> parse_bytes(std::string_view text);

// "10s", "1.5s", "250ms", "2m", "1h": a decimal number and a unit, which is required.
// Fails with: Fault::input, naming the accepted units, on anything else, on 0 and on more than 24 h.
Result<std::chrono::microseconds> parse_duration(std::string_view text);

std::string format_bytes(Bytes bytes);                        // "256 MiB", "1.5 KiB", "17 B"
std::string format_duration(std::chrono::microseconds time);  // "1.2 s", "250 ms", "17 µs"

}  // namespace sandbox_run
