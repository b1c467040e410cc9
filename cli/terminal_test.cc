#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace sandbox_run::cli {
namespace {

using About = report::Note::About;

TEST(PrintOutcome, OfTheNotesAPersonSeesWhatWasNotCopiedWhateverTheOthersSay) {
  report::Report report;
  report.verdict = report::Verdict::ok;
  report.notes = {
      {About::submission, "--out: a name"}, {About::hooks, "--out: a function"}, {About::collection, "--out: a file"}};
  testing::internal::CaptureStderr();
  print_outcome(report, false);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "sandbox-run: --out: a file\n");
  testing::internal::CaptureStderr();
  print_outcome(report, true);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "sandbox-run: --out: a name\nsandbox-run: --out: a function\nsandbox-run: --out: a file\n");
}

}  // namespace
}  // namespace sandbox_run::cli
