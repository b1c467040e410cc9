#include "base/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

namespace sandbox_run {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

// A positive decimal number and one of `units`; the value in the base unit, rounded to nearest.
template <std::size_t N>
std::optional<double> parse_quantity(std::string_view text, const std::array<Unit, N>& units) {
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& u : units)
    if (u.name == unit) return number * u.factor;
  return std::nullopt;
}

constexpr std::array<Unit, 5> kByteUnits{
    {{"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776.0}}};
constexpr std::array<Unit, 5> kTimeUnits{{{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}}};
constexpr double kLargestBytes = 1152921504606846976.0;  // 2^60
constexpr double kLongestMicroseconds = 24 * 3600e6;

}  // namespace

Result<Bytes> parse_bytes(std::string_view text) {
  auto value = parse_quantity(text, kByteUnits);
  if (!value || !(*value >= 1) || *value > kLargestBytes)
    return input_error(
        fmt::format("'{}' is not a size: write a number above 0 and a unit, B, KiB, MiB or GiB, as in 256MiB", text));
  return Bytes{static_cast<std::uint64_t>(*value + 0.5)};
}

Result<std::chrono::microseconds> parse_duration(std::string_view text) {
  auto value = parse_quantity(text, kTimeUnits);
  if (!value || !(*value >= 1) || *value > kLongestMicroseconds)
    return input_error(fmt::format(
        "'{}' is not a time: write a number above 0 and a unit, ms, s, m or h (24h at most), as in 10s or 250ms",
        text));
  return std::chrono::microseconds{static_cast<std::int64_t>(*value + 0.5)};
}

namespace {
// Up to one decimal, none where it would be 0.
std::string short_number(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}
}  // namespace

std::string format_bytes(Bytes bytes) {
  double value = static_cast<double>(bytes.count);
  if (bytes.count < 1024) return fmt::format("{} B", bytes.count);
  if (bytes.count < 1048576) return short_number(value / 1024) + " KiB";
  if (bytes.count < 1073741824) return short_number(value / 1048576) + " MiB";
  return short_number(value / 1073741824) + " GiB";
}

std::string format_duration(std::chrono::microseconds time) {
  auto count = time.count();
  if (count < 1000) return fmt::format("{} µs", count);
  if (count < 1000000) return short_number(static_cast<double>(count) / 1e3) + " ms";
  return short_number(static_cast<double>(count) / 1e6) + " s";
}

}  // namespace sandbox_run
