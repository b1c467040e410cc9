#include "ingest/go_text.h"

#include <gmock/gmock.h>

namespace sandbox_run::ingest {
namespace {

TEST(GoHead, FindsThePackageClauseAsGoDoes) {
  EXPECT_EQ(read_go_head("package main").package, "main");
  EXPECT_EQ(read_go_head("\xEF\xBB\xBFpackage main").package, "main");
  EXPECT_EQ(read_go_head("\n// package no\n/* package\nno */\tpackage /* x */ main // y\n").package, "main");
  EXPECT_EQ(read_go_head("package caf\u00e9\n").package, "caf\u00e9");
  for (const char* text :
       {"", "packages main", "import \"C\"", "package", "/* package main", "x package main", "\"package main\""})
    EXPECT_EQ(read_go_head(text).package, "") << text;
}

TEST(GoHead, ReadsConstraints) {
  const GoHead head = read_go_head(
      "// Licence\n\n//go:build linux && !cgo\n// +build linux\n// +build !cgo,amd64 arm64\n\npackage x\n//go:build "
      "no\n");
  EXPECT_EQ(head.go_build, "linux && !cgo");
  EXPECT_THAT(head.plus_build, testing::ElementsAre("linux", "!cgo,amd64 arm64"));
  EXPECT_EQ(read_go_head("/*\n//go:build ignore\n*/\npackage x\n").go_build, "");
}

TEST(BuildConstraint, IsEvaluatedForThisMachine) {
  for (const char* yes : {"linux", "unix", "gc", "go1.1", "go1.99", "!windows", "linux && !cgo", "windows || linux",
                          "(windows || linux) && !(darwin)", "mine", "!!linux"})
    EXPECT_TRUE(go_build_matches(yes, {"mine"})) << yes;
  for (const char* no : {"windows", "ignore", "cgo", "linux && windows", "!linux", "", "(linux", "linux)", "linux &&",
                         "&& linux", "linux linux", "!", "mine2"})
    EXPECT_FALSE(go_build_matches(no, {"mine"})) << no;
  EXPECT_FALSE(go_build_matches(std::string(1 << 20, '('), {}));
  EXPECT_FALSE(go_build_matches(std::string(1 << 20, '!') + "linux", {}));
  EXPECT_TRUE(plus_build_matches({"linux darwin", "!cgo"}, {}));
  EXPECT_FALSE(plus_build_matches({"linux darwin", "cgo"}, {}));
  EXPECT_TRUE(plus_build_matches({}, {}));
}

TEST(FileName, SuffixesSelectAsGoSelects) {
  for (const char* yes : {"a.go", "a_linux.go", "linux.go", "a_foo.go", "a_b.c.go", "windows.go", "x_.go"})
    EXPECT_TRUE(file_name_matches(yes)) << yes;
  for (const char* no : {"a_test.go", "_a.go", ".a.go", "a_windows.go", "a_linux_mips.go", "a_windows_amd64.go",
                         "a_s390x.go", "a.s", "a_js.x.go"})
    EXPECT_FALSE(file_name_matches(no)) << no;
}

TEST(Literals, AreToldFromCode) {
  const std::string text = "a `raw\n-- x --\n` b \"s\\\"t\" 'c' // comment\n-- y --\n/* z */ \"open\n-- w --\n";
  EXPECT_TRUE(inside_literal(text, text.find("-- x")));
  EXPECT_FALSE(inside_literal(text, text.find("-- y")));
  EXPECT_TRUE(inside_literal(text, text.find("z */")));
  EXPECT_TRUE(inside_literal(text, text.find("t\"")));
  EXPECT_FALSE(inside_literal(text, text.find("-- w"))) << "an unfinished string ends with its line";
}

}  // namespace
}  // namespace sandbox_run::ingest
