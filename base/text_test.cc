#include "base/text.h"

#include <gtest/gtest.h>

namespace sandbox_run {
namespace {

TEST(Text, EveryScalarValueSurvivesTheRoundTrip) {
  for (char32_t point = 0; point <= 0x10FFFF; ++point) {
    if (point >= 0xD800 && point < 0xE000) continue;
    std::string bytes;
    append_utf8(bytes, point);
    std::string_view rest = bytes;
    ASSERT_EQ(next_code_point(rest), point);
    ASSERT_TRUE(rest.empty());
    // A character that was cut is told from one that was never one.
    for (std::size_t length = 1; length < bytes.size(); ++length) {
      ASSERT_FALSE(is_valid_utf8(bytes.substr(0, length)));
      ASSERT_TRUE(is_cut_character(bytes.substr(0, length))) << static_cast<unsigned>(point);
    }
    ASSERT_FALSE(is_cut_character(bytes));
  }
}

TEST(Text, WhatIsNoUtf8IsRefusedAndStays) {
  for (const char* bad : {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC3(", "\xE2\x82x"}) {
    std::string_view rest = bad;
    EXPECT_FALSE(next_code_point(rest)) << bad;
    EXPECT_EQ(rest, bad);
    EXPECT_FALSE(is_valid_utf8(bad));
    EXPECT_FALSE(is_cut_character(bad)) << bad;
  }
  for (const char* hopeless : {"\xE0\x80", "\xED\xA0", "\xF0\x8F", "\xF4\x90", ""})
    EXPECT_FALSE(is_cut_character(hopeless));
  EXPECT_EQ(valid_utf8_prefix("gr\xC3\xBC\xC3"), 4u);
  EXPECT_EQ(valid_utf8_prefix(""), 0u);
}

TEST(Text, WhatReordersOrBreaksALineIsEscapedAndTheRestStays) {
  EXPECT_EQ(escape_line("\x1b[31mred\x07\tok\x7f"), "\\x1b[31mred\\x07\tok\\x7f");
  EXPECT_EQ(escape_line("\u202eevil \u009b é 日本 \xff\xc0\x80 \xed\xa0\x80"),
            "\\u202eevil \\u009b é 日本 \\xff\\xc0\\x80 \\xed\\xa0\\x80");
  EXPECT_EQ(escape_line("a\u2028b\u2066c\ufeffd\r\n"), "a\\u2028b\\u2066c\\ufeffd\\x0d\\x0a");
  EXPECT_EQ(escape_line(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(escape_line(""), "");
}

TEST(Text, LinesAreTakenOneByOne) {
  std::string_view text = "one\n\ntwo";
  EXPECT_EQ(take_line(text), "one");
  EXPECT_EQ(take_line(text), "");
  EXPECT_EQ(take_line(text), "two");
  EXPECT_TRUE(text.empty());
}

TEST(Text, WhiteSpaceIsTakenOffBothEnds) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \v\f"), "");
  EXPECT_EQ(trim(""), "");
}

TEST(Text, NumbersOfAnyLengthCompareAsNumbers) {
  EXPECT_LT(compare_numbers("9", "10"), 0);
  EXPECT_GT(compare_numbers("10", "9"), 0);
  EXPECT_EQ(compare_numbers("21", "21"), 0);
  EXPECT_LT(compare_numbers("99999999999999999999", "100000000000000000000"), 0);
}

}  // namespace
}  // namespace sandbox_run
