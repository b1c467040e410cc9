#include "sum-verify/findings.h"

#include <gtest/gtest.h>

#include "base/testing.h"

namespace sandbox_run::sum_verify {
namespace {

TEST(FindingCodes, TheDocumentationHasThisTable) {
  ASSERT_OK_AND_ASSIGN(std::string page, read_file(SANDBOX_RUN_SOURCE_DIR "/docs/verify.md", Bytes{1 << 20}));
  std::vector<std::string> rows;
  const auto add = [&](FindingCode code) {
    rows.push_back(std::string(finding_code_name(code)) + " | " + finding_class_name(finding_class(code)) + " | " +
                   finding_code_meaning(code));
  };
#define SANDBOX_RUN_CODE(code, kind, meaning) add(FindingCode::code);
  SANDBOX_RUN_FINDING_CODES(SANDBOX_RUN_CODE)
#undef SANDBOX_RUN_CODE
  EXPECT_EQ(table_rows(page, "SV"), rows);
}

}  // namespace
}  // namespace sandbox_run::sum_verify
