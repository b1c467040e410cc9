#include "go-build/build_code.h"

#include <gmock/gmock.h>

#include "base/testing.h"

namespace sandbox_run::go_build {
namespace {

TEST(BuildCode, TheDocumentationHasThisTable) {
  ASSERT_OK_AND_ASSIGN(std::string page, read_file(SANDBOX_RUN_SOURCE_DIR "/docs/build.md", Bytes{1 << 20}));
  const std::vector<std::string> rows = {
#define SANDBOX_RUN_CODE(code, meaning) std::string(build_code_name(BuildCode::code)) + " | " + meaning,
      SANDBOX_RUN_BUILD_CODES(SANDBOX_RUN_CODE)
#undef SANDBOX_RUN_CODE
  };
  EXPECT_EQ(table_rows(page, "GB"), rows);
}

}  // namespace
}  // namespace sandbox_run::go_build
