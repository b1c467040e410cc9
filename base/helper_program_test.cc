#include "base/helper_program.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(HelperProgram, IsFoundWhereItCanBeExecuted) {
  TemporaryDirectory directory;
  ASSERT_OK(replace_file(directory.path() + "/helper", "#!/bin/sh\n", 0755));
  ASSERT_OK_AND_ASSIGN(std::string found, helper_program("helper", directory.path()));
  EXPECT_EQ(found, directory.path() + "/helper");
  ASSERT_OK(replace_file(directory.path() + "/text", "#!/bin/sh\n", 0644));
  EXPECT_FALSE(helper_program("text", directory.path()));
}

TEST(HelperProgram, WithoutItThePlacesAreNamed) {
  auto missing = helper_program("no-such-helper");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().fault, Fault::host);
  EXPECT_THAT(missing.error().what, AllOf(HasSubstr("/../libexec/no-such-helper"),
                                          HasSubstr("/../libexec/sandbox-run/no-such-helper"), HasSubstr("install")));
}

}  // namespace
}  // namespace sandbox_run
