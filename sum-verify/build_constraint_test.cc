#include "sum-verify/build_constraint.h"

#include <gtest/gtest.h>

#include "base/testing.h"

namespace sandbox_run::sum_verify {
namespace {

BuildContext context_with(std::set<std::string, std::less<>> tags = {}, int minor = 26) {
  return {std::move(tags), minor};
}

TEST(BuildConstraint, FileNames) {
  const BuildContext context = context_with();
  for (const char* yes :
       {"a.go", "linux.go", "amd64.go", "a_linux.go", "a_amd64.go", "a_linux_amd64.go", "a_linux_test.go", "a_unix.go",
        "a_foo.go", "a_test.go", "windows_test.go", "x_linux.s", "a_linux_b.go", "a_b.c.go", "windows.go", "x_.go"}) {
    EXPECT_EQ(match_file_name(yes, context), Truth::yes) << yes;
  }
  for (const char* no :
       {"a_windows.go", "a_arm64.go", "a_linux_arm64.go", "a_darwin_amd64.go", "a_windows_test.go",
        "evil_windows_amd64.syso", "a_js_wasm.s", "_windows.go", "a_linux_mips.go", "a_s390x.go", "a_js.x.go"}) {
    EXPECT_EQ(match_file_name(no, context), Truth::no) << no;
  }
}

TEST(BuildConstraint, Expressions) {
  const BuildContext context = context_with({"mine"});
  for (const char* yes : {"linux", "amd64 && linux", "windows || unix", "!cgo", "!(windows || darwin)", "go1.1",
                          "go1.26", "mine", "gc && !ignore", "!go1.27", "amd64.v1", "!windows", "linux && !cgo",
                          "windows || linux", "(windows || linux) && !(darwin)"}) {
    EXPECT_EQ(evaluate_constraint(yes, context), Truth::yes) << yes;
  }
  for (const char* no : {"windows", "cgo", "go1.27", "linux && cgo", "ignore", "go1.026", "race", "amd64.v3", "mine2",
                         "linux && windows", "!linux"}) {
    EXPECT_EQ(evaluate_constraint(no, context), Truth::no) << no;
  }
  EXPECT_EQ(evaluate_constraint("goexperiment.simd", context), Truth::maybe);
  EXPECT_EQ(evaluate_constraint("goexperiment.simd && windows", context), Truth::no);
  EXPECT_EQ(evaluate_constraint("go1.30", context_with({}, 0)), Truth::maybe);
  for (const char* bad :
       {"", "&&", "linux &&", "(linux", "linux)", "!!linux", "linux windows", "a-b", "&& linux", "linux linux", "!"}) {
    EXPECT_FALSE(evaluate_constraint(bad, context).has_value()) << bad;
  }
  EXPECT_FALSE(evaluate_constraint(std::string(1 << 20, '('), context).has_value());
  EXPECT_FALSE(evaluate_constraint(std::string(1 << 20, '!') + "linux", context).has_value());
}

TEST(BuildConstraint, Headers) {
  const BuildContext context = context_with();
  EXPECT_EQ(match_header("//go:build windows\n\npackage p\n", context), Truth::no);
  EXPECT_EQ(match_header("//go:build windows\npackage p\n", context), Truth::no);
  EXPECT_EQ(match_header("// c\n\n//go:build !windows\npackage p\n", context), Truth::yes);
  EXPECT_EQ(match_header("package p\n//go:build windows\n", context), Truth::yes);
  EXPECT_EQ(match_header("/* x */ //go:build windows\npackage p\n", context), Truth::yes);
  EXPECT_EQ(match_header("/*\n//go:build windows\n*/\npackage p\n", context), Truth::yes);
  EXPECT_EQ(match_header("\xEF\xBB\xBF//go:build windows\npackage p\n", context), Truth::no);
  EXPECT_EQ(match_header("// +build windows\n\npackage p\n", context), Truth::no);
  EXPECT_EQ(match_header("// +build windows\npackage p\n", context), Truth::yes);
  EXPECT_EQ(match_header("// +build linux,!cgo windows\n// +build amd64\n\npackage p\n", context), Truth::yes);
  EXPECT_EQ(match_header("// +build linux darwin\n// +build !cgo\n\npackage p\n", context), Truth::yes);
  EXPECT_EQ(match_header("// +build linux darwin\n// +build cgo\n\npackage p\n", context), Truth::no);
  EXPECT_EQ(match_header("// c\n\n//go:build linux && !cgo\n// +build windows\n\npackage p\n//go:build no\n", context),
            Truth::yes);
  EXPECT_EQ(match_header("// +build windows\n//go:build linux\n\npackage p\n", context), Truth::yes);
  EXPECT_EQ(match_header("//go:build linux\n//go:build windows\npackage p\n", context), Truth::maybe);
}

TEST(BuildTag, IsWhatAConstraintCanName) {
  for (const char* tag : {"integration", "go1.26", "a_b.c", "9", "größe", "タグ"}) {
    EXPECT_OK(check_build_tag(tag));
    EXPECT_EQ(evaluate_constraint(tag, context_with({tag})), Truth::yes) << tag;
  }
  for (const char* tag : {"", "a b", "a,b", "-race", "a-b", "a\n", "\xff", "a\xe2\x80\x93"}) {
    EXPECT_FALSE(check_build_tag(tag)) << tag;
    EXPECT_NE(evaluate_constraint(tag, context_with({tag})), Truth::yes) << tag;
  }
}

}  // namespace
}  // namespace sandbox_run::sum_verify
