#include "sum-verify/go_sum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sum-verify/dirhash.h"

namespace sandbox_run::sum_verify {
namespace {

constexpr char kA[] = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
constexpr char kB[] = "h1:EP6WfDoQTSk9klnxcjriWJOGztueJUywHNmWeq+efB8=";

std::string line(const std::string& path, const std::string& version, const std::string& hash) {
  return path + " " + version + " " + hash + "\n";
}

TEST(GoSum, LinesAreFoundByPathAndVersionWithTheirNumber) {
  const GoSum sum =
      GoSum::parse("\n" + line("example.org/m", "v1.0.0", kA) + line("example.org/m", "v1.0.0/go.mod", kB));
  ASSERT_EQ(sum.lines("example.org/m", "v1.0.0").size(), 1u);
  EXPECT_EQ(sum.lines("example.org/m", "v1.0.0")[0].hash, kA);
  EXPECT_EQ(sum.lines("example.org/m", "v1.0.0")[0].line, 2);
  EXPECT_EQ(sum.lines("example.org/m", "v1.0.0/go.mod")[0].hash, kB);
  EXPECT_TRUE(sum.lines("example.org/m", "v1.0.1").empty());
  EXPECT_TRUE(sum.problems().empty());
}

TEST(GoSum, CarriageReturnsTabsAndUnicodeSpacesOnlySeparate) {
  const GoSum sum =
      GoSum::parse(std::string("example.org/m\tv1.0.0\t") + kA + "\r\n" + "example.org/n\u00a0v1.0.0\u3000" + kB);
  EXPECT_EQ(sum.lines("example.org/m", "v1.0.0").at(0).hash, kA);
  EXPECT_EQ(sum.lines("example.org/n", "v1.0.0").at(0).hash, kB);
}

TEST(GoSum, AWrongNumberOfFieldsIsMalformedInGosWords) {
  const GoSum sum = GoSum::parse("one two\n\n  \na b c d\n");
  ASSERT_EQ(sum.problems().size(), 2u);
  EXPECT_EQ(sum.problems()[0].line, 1);
  EXPECT_EQ(sum.problems()[0].message, "wrong number of fields 2");
  EXPECT_EQ(sum.problems()[1].line, 4);
  EXPECT_EQ(sum.problems()[1].message, "wrong number of fields 4");
}

TEST(GoSum, ACommentOfThreeWordsIsAValidUselessLineAndAByteOrderMarkPartOfItsPath) {
  EXPECT_TRUE(GoSum::parse("# a comment").problems().empty());
  const GoSum marked = GoSum::parse("\xEF\xBB\xBF" + line("example.org/m", "v1.0.0", kA));
  EXPECT_TRUE(marked.problems().empty());
  EXPECT_TRUE(marked.lines("example.org/m", "v1.0.0").empty());
}

TEST(GoSum, TheHashOfAnEmptyGoModIsDropped) {
  EXPECT_TRUE(
      GoSum::parse(line("example.org/m", "v1.0.0/go.mod", "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=")).empty());
  EXPECT_EQ(h1_of_go_mod(""), "h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=");
}

TEST(GoSum, TwoDifferentH1OfOneKeyConflictInEitherOrder) {
  EXPECT_EQ(GoSum::parse(line("m.org/m", "v1.0.0", kA) + line("m.org/m", "v1.0.0", kB)).conflicts().size(), 1u);
  EXPECT_EQ(GoSum::parse(line("m.org/m", "v1.0.0", kB) + line("m.org/m", "v1.0.0", kA)).conflicts().size(), 1u);
}

TEST(GoSum, EqualLinesAndUnknownAlgorithmsDoNotConflict) {
  EXPECT_TRUE(GoSum::parse(line("m.org/m", "v1.0.0", kA) + line("m.org/m", "v1.0.0", kA)).conflicts().empty());
  EXPECT_TRUE(GoSum::parse(line("m.org/m", "v1.0.0", "h2:xyz") + line("m.org/m", "v1.0.0", kA)).conflicts().empty());
  EXPECT_TRUE(GoSum::parse(line("m.org/m", "v1.0.0", kA) + line("m.org/m", "v1.0.1", kB)).conflicts().empty());
}

TEST(Dirhash, TheVectorsOfTheReference) {
  EXPECT_EQ(h1_of_files({}).value(), kA);
  EXPECT_EQ(h1_of_files({{"xyz", sha256("data for xyz")}, {"abc", sha256("data for abc")}}).value(), kB);
}

TEST(Dirhash, ALineFeedInANameIsRefused) { EXPECT_FALSE(h1_of_files({{"a\nb", sha256("")}}).has_value()); }

TEST(Dirhash, OnlyThirtyTwoBytesInPaddedBase64AreWellFormed) {
  EXPECT_TRUE(is_well_formed_h1(kA));
  EXPECT_FALSE(is_well_formed_h1("h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"));
  EXPECT_FALSE(is_well_formed_h1("h1:47DEQpj8HBSa-/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
  EXPECT_FALSE(is_well_formed_h1("h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV="));
  EXPECT_FALSE(is_well_formed_h1("h2:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
}

TEST(Dirhash, TheFirstDifferenceIsNamed) {
  EXPECT_EQ(first_difference({{"a", sha256("1")}, {"b", sha256("2")}}, {{"b", sha256("3")}, {"a", sha256("1")}}), "b");
  EXPECT_EQ(first_difference({{"a", sha256("1")}}, {{"a", sha256("1")}, {"c", sha256("")}}), "c");
  EXPECT_EQ(first_difference({{"a", sha256("1")}}, {{"a", sha256("1")}}), "");
}

}  // namespace
}  // namespace sandbox_run::sum_verify
