#include "report/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/testing.h"

namespace sandbox_run::report {
namespace {

nlohmann::json json_of(const Report& report) { return nlohmann::json::parse(to_json(report)); }

TEST(Report, TextStreamsStayTextAndBinaryOnesBecomeBase64) {
  Report report;
  report.facts.stdout_stream.captured = "grüße\n";
  report.facts.stderr_stream.captured = std::string("\xff\x00x", 3);
  auto json = json_of(report);
  EXPECT_EQ(json["stdout"], "grüße\n");
  EXPECT_EQ(json["stdout_encoding"], "utf8");
  EXPECT_EQ(json["stderr"], "/wB4");
  EXPECT_EQ(json["stderr_encoding"], "base64");
}

TEST(Report, ACaptureCutInsideACharacterIsStillText) {
  Report report;
  report.facts.stdout_stream.captured = "ab\xc3";
  report.facts.stdout_stream.truncated = true;
  EXPECT_EQ(json_of(report)["stdout"], "ab");
  report.facts.stdout_stream.truncated = false;  // control: the program itself ended inside a character
  EXPECT_EQ(json_of(report)["stdout_encoding"], "base64");
}

TEST(Report, OverlongSurrogateAndTooLargeSequencesAreNotText) {
  for (const char* bytes : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
    Report report;
    report.facts.stdout_stream.captured = bytes;
    EXPECT_EQ(json_of(report)["stdout_encoding"], "base64");
  }
}

TEST(Report, MalformedBytesInAMessageStillGiveValidJson) {
  Report report;
  report.message = "cannot open \xff\xfe";
  EXPECT_NO_THROW(json_of(report));
}

TEST(Report, ExitStatusIsTheProgramsOwnWhereItEndedByItself) {
  Report report;
  report.verdict = Verdict::runtime_error;
  report.exit_code = 137;
  EXPECT_EQ(report.exit_status(), 137);
  report.verdict = Verdict::ok;
  report.exit_code = 0;
  EXPECT_EQ(report.exit_status(), 0);
  report.verdict = Verdict::signalled;
  report.signal = 11;
  EXPECT_EQ(report.exit_status(), 139);
  report.verdict = Verdict::memory_exceeded;
  EXPECT_EQ(report.exit_status(), 122);
}

TEST(Report, TheDocumentationHasEveryVerdict) {
  ASSERT_OK_AND_ASSIGN(std::string page, read_file(SANDBOX_RUN_SOURCE_DIR "/docs/report.md", Bytes{1 << 20}));
  const auto add = [&](Verdict verdict) {
    const int fixed = fixed_exit_status(verdict);
    const std::string status = fixed >= 0                      ? std::to_string(fixed)
                               : verdict == Verdict::signalled ? "128 + n"
                                                               : "the program's";
    const std::string row =
        std::string(verdict_name(verdict)) + " | " + status + " | " + std::string(verdict_meaning(verdict));
    EXPECT_EQ(table_rows(page, std::string(verdict_name(verdict)) + " |"), std::vector<std::string>{row});
  };
#define X(name, exit_status, meaning) add(Verdict::name);
  SANDBOX_RUN_VERDICTS(X)
#undef X
}

TEST(SignalName, IsTheOneOfTheManual) {
  EXPECT_EQ(signal_name(9), "SIGKILL");
  EXPECT_EQ(signal_name(31), "SIGSYS");
}

}  // namespace
}  // namespace sandbox_run::report
