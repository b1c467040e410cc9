#include "base/units.h"

#include "base/testing.h"

namespace sandbox_run {
namespace {

using namespace unit_literals;

TEST(Bytes, ParsesEveryUnitAndFractions) {
  EXPECT_EQ(parse_bytes("512B")->count, 512U);
  EXPECT_EQ(*parse_bytes("64KiB"), 64_KiB);
  EXPECT_EQ(*parse_bytes("256MiB"), 256_MiB);
  EXPECT_EQ(*parse_bytes("1.5GiB"), 1536_MiB);
}

TEST(Bytes, RefusesWhatHasNoUnitNoValueOrNoSense) {
  for (const char* text : {"", "256", "256MB", "256M", "0B", "0.1B", "-1MiB", "MiB", "1e3MiB", "nan", "infB",
                           "9999999TiB", " 1MiB", "1 MiB"})
    EXPECT_FALSE(parse_bytes(text)) << text;
}

TEST(Duration, ParsesEveryUnit) {
  EXPECT_EQ(parse_duration("10s")->count(), 10'000'000);
  EXPECT_EQ(parse_duration("1.5s")->count(), 1'500'000);
  EXPECT_EQ(parse_duration("250ms")->count(), 250'000);
  EXPECT_EQ(parse_duration("2m")->count(), 120'000'000);
}

TEST(Duration, RefusesWhatHasNoUnitNoValueOrNoSense) {
  for (const char* text : {"", "10", "10sec", "0s", "-1s", "25h", "s", "1e9s"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Units, PrintAsAPersonWouldSayThem) {
  EXPECT_EQ(format_bytes(256_MiB), "256 MiB");
  EXPECT_EQ(format_bytes(Bytes{1536}), "1.5 KiB");
  EXPECT_EQ(format_duration(std::chrono::milliseconds(1234)), "1.2 s");
  EXPECT_EQ(format_duration(std::chrono::milliseconds(250)), "250 ms");
}

}  // namespace
}  // namespace sandbox_run
