#include "cli/options.h"

#include <gmock/gmock.h>

#include "base/testing.h"

namespace sandbox_run::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Line {
  Options options;
  FlagSet flags{"run [flags] SOURCE… [-- ARGS…]", "summary"};
  Line() {
    flags.take_arguments();
    add_run_flags(flags, options);
    add_source_flags(flags, options);
    add_toolchain_flags(flags, options);
    add_build_flags(flags, options);
    add_output_flags(flags, options);
  }
};

TEST(Flags, OperandsStandAnywhereAndArgumentsBehindTheDoubleDash) {
  Line line;
  ASSERT_OK_AND_ASSIGN(ParsedLine parsed, line.flags.parse({"a.go", "--json", "b.go", "--", "--cpu-time", "-x"}));
  EXPECT_THAT(parsed.operands, ElementsAre("a.go", "b.go"));
  EXPECT_THAT(parsed.arguments, ElementsAre("--cpu-time", "-x"));
  EXPECT_TRUE(line.options.json);
}

TEST(Flags, AWordBehindTheDoubleDashNeedsAProgramThatTakesIt) {
  FlagSet flags("build [flags] SOURCE…", "summary");
  auto parsed = flags.parse({"a.go", "--", "word"});
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().fault, Fault::input);
  EXPECT_THAT(parsed.error().what, AllOf(HasSubstr("'word'"), HasSubstr("build")));
  EXPECT_OK(flags.parse({"a.go", "--"}));
}

TEST(Flags, ADashAloneIsASource) {
  Line line;
  ASSERT_OK_AND_ASSIGN(ParsedLine parsed, line.flags.parse({"-"}));
  EXPECT_THAT(parsed.operands, ElementsAre("-"));
}

TEST(Flags, SetTheLimitsTheyName) {
  Line line;
  ASSERT_OK(line.flags.parse({"--cpu-time", "250ms", "--wall-time=1m", "--memory", "1.5GiB", "--pids", "7", "--cpus",
                              "0.5", "--output", "1KiB", "--scratch", "1MiB", "--open-files", "64", "x"}));
  const runner::RunLimits& limits = line.options.request.limits;
  EXPECT_EQ(limits.cpu_time.value, std::chrono::milliseconds(250));
  EXPECT_EQ(limits.wall_time.value, std::chrono::minutes(1));
  EXPECT_EQ(limits.memory.count, 1536ull << 20);
  EXPECT_EQ(limits.processes, 7U);
  EXPECT_EQ(limits.cpus, 0.5);
  EXPECT_EQ(limits.output.count, 1024U);
  EXPECT_EQ(limits.scratch.count, 1U << 20);
  EXPECT_EQ(limits.open_files, 64U);
}

TEST(Flags, AValueWithCommasStaysWhole) {
  Line line;
  ASSERT_OK(line.flags.parse({"--env", "A=1,2", "--env", "B=", "x"}));
  EXPECT_THAT(line.options.request.environment, ElementsAre("A=1,2", "B="));
}

class BadFlag : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(BadFlag, IsRefusedByItsName) {
  Line line;
  auto parsed = line.flags.parse(GetParam());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().fault, Fault::input);
  const std::string name = GetParam()[0].substr(2);
  EXPECT_THAT(parsed.error().what, HasSubstr(name));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadFlag,
    ::testing::Values(std::vector<std::string>{"--cpu-time", "10"}, std::vector<std::string>{"--cpu-time", "0s"},
                      std::vector<std::string>{"--wall-time", "forever"}, std::vector<std::string>{"--memory", "256"},
                      std::vector<std::string>{"--memory", "0MiB"}, std::vector<std::string>{"--memory", "1KiB"},
                      std::vector<std::string>{"--memory", "99999999GiB"}, std::vector<std::string>{"--pids", "0"},
                      std::vector<std::string>{"--pids", "-1"}, std::vector<std::string>{"--pids", "many"},
                      std::vector<std::string>{"--cpus", "0"}, std::vector<std::string>{"--cpus", "1e9"},
                      std::vector<std::string>{"--output", "64"}, std::vector<std::string>{"--open-files", "1"},
                      std::vector<std::string>{"--env", "novalue"}, std::vector<std::string>{"--net", "host"},
                      std::vector<std::string>{"--on-denied", "maybe"}, std::vector<std::string>{"--tier", "magic"},
                      std::vector<std::string>{"--mount-ro", "relative:/x"},
                      std::vector<std::string>{"--mount-ro", "/x"}, std::vector<std::string>{"--mount-rw", "/x:/dev/y"},
                      std::vector<std::string>{"--mount-ro", "/x:/a/../etc"},
                      std::vector<std::string>{"--pin", "h1:short"}, std::vector<std::string>{"--tags", "a b"},
                      std::vector<std::string>{"--out", "noequals"}, std::vector<std::string>{"--no-such-flag", "1"}));

TEST(Flags, ABadValueComesWithAnExample) {
  Line line;
  auto parsed = line.flags.parse({"--memory", "256"});
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().what, AllOf(HasSubstr("--memory"), HasSubstr("'256'"), HasSubstr("--memory 256MiB")));
}

TEST(Flags, HelpNamesEveryFlagWithItsDefault) {
  Line line;
  EXPECT_THAT(line.flags.help(),
              AllOf(HasSubstr("--cpu-time"), HasSubstr("10 s"), HasSubstr("256 MiB"), HasSubstr("--on-denied")));
}

}  // namespace
}  // namespace sandbox_run::cli
