#include "sum-verify/go_mod.h"

#include <gtest/gtest.h>

#include "sum-verify/go_version.h"

namespace sandbox_run::sum_verify {
namespace {

GoModParse parse_main(const std::string& text) { return parse_go_mod(text, GoModRole::main_module); }

std::string first_problem(const GoModParse& parse) {
  return parse.problems.empty() ? "" : std::to_string(parse.problems[0].line) + ": " + parse.problems[0].message;
}

TEST(GoMod, EveryVerbIsReadSinglyAndInBlocks) {
  const GoModParse parse = parse_main(
      "module \"example.org/m\" // the name\r\n"
      "\n"
      "go 1.26.1\n"
      "toolchain go1.26.8\n"
      "godebug default=go1.21\n"
      "require (\n"
      "\texample.org/a v1.2.3\n"
      "\n"
      "\t// a comment\n"
      "\texample.org/b/v2 v2.0.0-pre.1 // indirect\n"
      "\texample.org/c v3.0.0+incompatible // indirect; more\n"
      ")\n"
      "require gopkg.in/yaml.v3 v3.0.1\n"
      "exclude example.org/a v1.2.2\n"
      "replace example.org/a => ./a\n"
      "replace (\n\texample.org/b/v2 v2.0.0-pre.1 => example.org/fork v1.0.0\n)\n"
      "retract [v1.0.0, v1.1.0] // broken\n"
      "retract v0.1.0\n"
      "tool example.org/a/cmd\n"
      "ignore ./node_modules\n");
  ASSERT_TRUE(parse.problems.empty()) << first_problem(parse);
  EXPECT_EQ(parse.mod.module.text, "example.org/m");
  EXPECT_EQ(parse.mod.go.text, "1.26.1");
  EXPECT_EQ(parse.mod.toolchain.text, "go1.26.8");
  ASSERT_EQ(parse.mod.require.size(), 4u);
  EXPECT_EQ(parse.mod.require[0].module, (ModuleVersion{"example.org/a", "v1.2.3"}));
  EXPECT_FALSE(parse.mod.require[0].indirect);
  EXPECT_TRUE(parse.mod.require[1].indirect);
  EXPECT_TRUE(parse.mod.require[2].indirect);
  EXPECT_EQ(parse.mod.require[2].line, 11);
  ASSERT_EQ(parse.mod.replace.size(), 2u);
  EXPECT_TRUE(parse.mod.replace[0].is_directory());
  EXPECT_EQ(parse.mod.replace[1].target, (ModuleVersion{"example.org/fork", "v1.0.0"}));
  EXPECT_EQ(parse.mod.exclude.size(), 1u);
  EXPECT_EQ(parse.mod.tool[0].text, "example.org/a/cmd");
  EXPECT_EQ(parse.mod.ignore[0].text, "./node_modules");
}

struct BadGoMod {
  const char* text;
  const char* problem;
};

TEST(GoMod, WhatGoRefusesIsRefusedWithItsLine) {
  const BadGoMod cases[] = {
      {"module m\nmodule n\n", "2: repeated module statement"},
      {"module m\ngo 1.26\ngo 1.26\n", "3: repeated go statement"},
      {"module m\ngo 1\n", "2: invalid go version '1': must match format 1.23.0"},
      {"module m\ngo 01.2\n", "2: invalid go version '01.2': must match format 1.23.0"},
      {"module m\ngo\n", "2: go directive expects exactly one argument"},
      {"module m\ntoolchain ../bin/evil\n",
       "2: invalid toolchain version '../bin/evil': must match format go1.23.0 or default"},
      {"module m\nrequire a.org/x\n", "2: usage: require module/path v1.2.3"},
      {"module m\nrequire a.org/x v1\n", "2: a.org/x: version \"v1\" invalid: must be of the form v1.2.3"},
      {"module m\nrequire a.org/x master\n", "2: a.org/x: version \"master\" invalid: must be of the form v1.2.3"},
      {"module m\nrequire a.org/x v2.0.0\n", "2: a.org/x: version \"v2.0.0\" invalid: should be v0 or v1, not v2"},
      {"module m\nrequire a.org/x/v2 v1.0.0\n", "2: a.org/x/v2: version \"v1.0.0\" invalid: should be v2, not v1"},
      {"module m\nrequire `a.org/x` v1.0.0\n", "2: invalid quoted string: unquoted string cannot contain quote"},
      {"module m\nreplace a.org/x => y\n",
       "2: replacement module without version must be directory path (rooted or starting with . or ..)"},
      {"module m\nreplace a.org/x => b.org/y@v1.0.0\n",
       "2: replacement module must match format 'path version', not 'path@version'"},
      {"module m\nreplace a.org/x => ./y v1.0.0\n", "2: replacement module directory path \"./y\" cannot have version"},
      {"module m\nreplace a.org/x => .\\y\n",
       "2: replacement directory appears to be Windows path (on a non-windows system)"},
      {"module m\nfrobnicate x\n", "2: unknown directive: frobnicate"},
      {"module m\nrequire foo (\n)\n", "2: unknown block type: require"},
      {"module m\n/* no */\n", "2: mod files must use // comments (not /* */ comments)"},
      {"module m\nrequire (\na.org/x v1.0.0\n", "4: syntax error (unterminated block started at line 2)"},
      {"module \"m\n", "1: unexpected newline in string"},
      {"module \x01\n", "1: unexpected input character"},
      {"module m\nrequire (\n) x\n", "3: syntax error (expected newline after closing paren)"},
  };
  for (const BadGoMod& bad : cases) EXPECT_EQ(first_problem(parse_main(bad.text)), bad.problem) << bad.text;
}

TEST(GoMod, DependenciesAreReadLaxly) {
  const std::string text =
      "module example.org/d\n"
      "go v1.20.x\n"
      "future directive here\n"
      "future (\n\tblock\n)\n"
      "replace nonsense\n"
      "require a.org/x v1.2\n"
      "retract (what, ever)\n";
  const GoModParse lax = parse_go_mod(text, GoModRole::dependency);
  ASSERT_TRUE(lax.problems.empty()) << first_problem(lax);
  EXPECT_EQ(lax.mod.go.text, "1.20");
  EXPECT_EQ(lax.mod.require[0].module.version, "v1.2.0");
  EXPECT_FALSE(parse_main(text).problems.empty());
}

TEST(GoMod, ParenthesesAreABlockOnlyAtTheEndOfTheLine) {
  EXPECT_TRUE(parse_main("module m\nrequire ()\n").problems.empty());
  EXPECT_TRUE(parse_main("module m\nrequire ( // comment\n)\n").problems.empty());
  EXPECT_FALSE(parse_main("module m\nrequire ( a.org/x v1.0.0 )\n").problems.empty());
}

TEST(GoMod, WorkspacesHaveTheirOwnVerbs) {
  const GoModParse work =
      parse_go_mod("go 1.26\nuse (\n\t./a\n\t../b\n)\nreplace a.org/x => ./x\n", GoModRole::workspace);
  ASSERT_TRUE(work.problems.empty()) << first_problem(work);
  EXPECT_EQ(work.mod.use.size(), 2u);
  EXPECT_FALSE(parse_go_mod("require a.org/x v1.0.0\n", GoModRole::workspace).problems.empty());
}

TEST(GoVersion, LanguageVersionsPrecedeCandidatesAndReleases) {
  EXPECT_LT(compare_go_versions("1.21", "1.21rc1"), 0);
  EXPECT_LT(compare_go_versions("1.21rc1", "1.21rc2"), 0);
  EXPECT_LT(compare_go_versions("1.21rc2", "1.21.0"), 0);
  EXPECT_EQ(compare_go_versions("1.20", "1.20.0"), 0);
  EXPECT_LT(compare_go_versions("1.9", "1.10"), 0);
  EXPECT_LT(compare_go_versions("", "1.0"), 0);
  EXPECT_GT(compare_go_versions("1.99", "1.26.8"), 0);
}

}  // namespace
}  // namespace sandbox_run::sum_verify
