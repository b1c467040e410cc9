#include "sum-verify/main_package.h"

#include <gmock/gmock.h>

#include "ingest/test_tree.h"

namespace sandbox_run::sum_verify {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class MainPackage : public ingest::TreeTest {
 protected:
  MainPackage() { put("go.mod", "module m\n"); }
  // "" where the package asked for is a program.
  std::string problem(const std::vector<std::string>& tags = {}) {
    auto submission = take();
    EXPECT_OK(submission);
    if (!submission) return "no submission";
    const Status status = require_main_package(*submission, tags);
    if (status) return "";
    EXPECT_EQ(status.error().fault, Fault::input);
    return status.error().what;
  }
  std::vector<std::string> mains(const std::vector<std::string>& tags = {}) {
    auto submission = take();
    EXPECT_OK(submission);
    auto found = main_packages(*submission, tags);
    EXPECT_OK(found);
    return *found;
  }
};

TEST_F(MainPackage, AProgramAtTheRootIsEnough) {
  put("main.go", "// Licence\n/* more */ package main\n");
  put("cmd/a/a.go", "package main\n");
  EXPECT_EQ(problem(), "");
  EXPECT_THAT(mains(), ElementsAre(".", "./cmd/a"));
}

TEST_F(MainPackage, CandidatesAreNamedNeverGuessed) {
  EXPECT_THAT(problem(), AllOf(HasSubstr("no Go files"), HasSubstr("no directory of it has a package main")));
  put("cmd/a/a.go", "package main\n");
  EXPECT_THAT(problem(), AllOf(HasSubstr("no Go files"), HasSubstr("the program is in ./cmd/a")));
  put("cmd/b/b.go", "package main\n");
  put("lib.go", "package lib\n");
  EXPECT_THAT(problem(), AllOf(HasSubstr("is package lib"), HasSubstr("./cmd/a, ./cmd/b")));
  request_.sources = {input("cmd/...")};
  EXPECT_THAT(problem(), AllOf(HasSubstr("every package"), HasSubstr("./cmd/a, ./cmd/b")));
  request_.sources = {input("cmd/b")};
  EXPECT_EQ(problem(), "");
}

TEST_F(MainPackage, WhatTheGoCommandLeavesOutIsLeftOut) {
  for (const char* path : {"vendor/v/v.go", "testdata/t.go", "_x/x.go", ".y/y.go", "nested/n.go", "a/testdata/b/b.go"})
    put(path, "package main\n");
  put("nested/go.mod", "module n\n");
  put("t_test.go", "package main\n");
  put("w_windows.go", "package main\n");
  put("i.go", "//go:build ignore\n\npackage main\n");
  EXPECT_THAT(mains(), IsEmpty());
  EXPECT_THAT(problem(), HasSubstr("build constraints exclude all Go files"));
  EXPECT_EQ(problem({"ignore"}), "");
  put("ok_linux.go", "package main\n");
  EXPECT_EQ(problem(), "");
}

TEST_F(MainPackage, OnlyTestFilesSaysSo) {
  put("t_test.go", "package main\n");
  EXPECT_THAT(problem(), HasSubstr("only test files"));
}

TEST_F(MainPackage, NamedFilesAreJudgedAlone) {
  put("gen.go", "//go:build ignore\n\npackage main\n");
  put("lib.go", "package lib\n");
  request_.sources = {input("gen.go")};
  EXPECT_EQ(problem(), "") << "constraints do not count for named files";
  request_.sources = {input("lib.go")};
  EXPECT_THAT(problem(), HasSubstr("is package lib"));
  put("x_test.go", "package main\n");
  request_.sources = {input("x_test.go")};
  EXPECT_THAT(problem(), HasSubstr("sandbox-run test"));
  put("text.go", "not Go at all\n");
  request_.sources = {input("text.go")};
  EXPECT_THAT(problem(), HasSubstr("package clause"));
}

TEST_F(MainPackage, PackagesAreLookedForInTheModuleThatWasAsked) {
  put("app/go.mod", "module app\n");
  put("app/cmd/main.go", "package main\n");
  put("app/lib/lib.go", "package lib\n");
  put("other/main.go", "package main\n");
  request_.root = input();
  request_.sources = {input("app/lib")};
  EXPECT_THAT(problem(), AllOf(HasSubstr("./app/cmd"), Not(HasSubstr("other"))));
}

TEST_F(MainPackage, TheCandidateOfAnArchiveIsNamedAsItCanBeGiven) {
  put("app.txtar", "-- go.mod --\nmodule m\n-- cmd/a/a.go --\npackage main\n");
  request_.sources = {input("app.txtar")};
  EXPECT_THAT(problem(), HasSubstr("name it as app.txtar/cmd/a"));
  request_.sources = {input("app.txtar/cmd/a")};
  EXPECT_EQ(problem(), "");
}

TEST_F(MainPackage, HostileNamesAreEscapedInMessages) {
  put("lib.go",
      "package l\xc2\x9b"
      "31m\n");
  EXPECT_THAT(problem(), Not(HasSubstr("\xc2\x9b")));
}

}  // namespace
}  // namespace sandbox_run::sum_verify
