#include "ingest/go_text.h"

#include <gtest/gtest.h>

namespace sandbox_run::ingest {
namespace {

TEST(PackageClause, IsFoundAsGoFindsIt) {
  EXPECT_EQ(package_clause("package main"), "main");
  EXPECT_EQ(package_clause("\xEF\xBB\xBFpackage main"), "main");
  EXPECT_EQ(package_clause("\n// package no\n/* package\nno */\tpackage /* x */ main // y\n"), "main");
  EXPECT_EQ(package_clause("package caf\u00e9\n"), "caf\u00e9");
  for (const char* text :
       {"", "packages main", "import \"C\"", "package", "/* package main", "x package main", "\"package main\""})
    EXPECT_EQ(package_clause(text), "") << text;
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
