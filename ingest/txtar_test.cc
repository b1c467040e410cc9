#include "ingest/txtar.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include "ingest/content_kind.h"
#include "ingest/test_tree.h"

namespace sandbox_run::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Txtar, IsParsedAsItsReferenceParses) {
  const TextArchive archive = parse_txtar(
      "comment\n-- a.go --\npackage a\n--  b/c d.txt  --\nline\n-- not a marker\n--no--\n-- --\n-- empty --\n-- last "
      "--\r\nno newline");
  EXPECT_EQ(archive.comment, "comment\n");
  ASSERT_EQ(archive.files.size(), 4u);
  EXPECT_EQ(archive.files[0].name, "a.go");
  EXPECT_EQ(archive.files[0].content, "package a\n");
  EXPECT_EQ(archive.files[1].name, "b/c d.txt");
  EXPECT_EQ(archive.files[1].content, "line\n-- not a marker\n--no--\n-- --\n");
  EXPECT_EQ(archive.files[2].content, "");
  EXPECT_EQ(archive.files[3].name, "last");
  EXPECT_TRUE(archive.files[3].add_newline);
  EXPECT_FALSE(archive.files[2].add_newline);
  EXPECT_TRUE(parse_txtar("only\ntext").files.empty());
  EXPECT_EQ(parse_txtar("-- x --").files.size(), 1u);
}

class TextArchiveTest : public TreeTest {
 protected:
  Result<Submission> from_stdin(const std::string& text) {
    put("input", text);
    auto file = open_path(input("input"), O_RDONLY);
    EXPECT_OK(file);
    request_.standard_input = file->get();
    return take({"-"});
  }
};

TEST_F(TextArchiveTest, BecomesASnapshot) {
  put("a.txtar", "note\n-- go.mod --\nmodule m\n-- main.go --\npackage main\nfunc main() {}");
  ASSERT_OK_AND_ASSIGN(Submission submission, take({input("a.txtar")}));
  EXPECT_EQ(submission.kind, Submission::Kind::text_archive);
  EXPECT_TRUE(submission.has_go_mod);
  EXPECT_THAT(paths(submission), ElementsAre("go.mod", "main.go"));
  EXPECT_EQ(content(submission, "main.go"), "package main\nfunc main() {}\n");
}

TEST_F(TextArchiveTest, HostileEntriesAreRefused) {
  for (const char* name : {"../x", "/x", "a/../../x", "x\\y", "a\x1b", "a\u200b"}) {
    put("a.txtar", std::string("-- ok --\n-- ") + name + " --\n");
    request_.sources = {input("a.txtar")};
    EXPECT_THAT(refusal(), HasSubstr("refused the name")) << name;
  }
  put("a.txtar", "-- x --\n-- x --\n");
  EXPECT_THAT(refusal(), HasSubstr("twice"));
  put("a.txtar", "-- .git/config --\nevil\n-- main.go --\npackage main\n");
  ASSERT_OK_AND_ASSIGN(Submission submission, take());
  EXPECT_THAT(paths(submission), ElementsAre("main.go"));
}

TEST_F(TextArchiveTest, StandardInputIsToldApart) {
  ASSERT_OK_AND_ASSIGN(Submission go, from_stdin("package main\nfunc main() {}\n"));
  EXPECT_THAT(paths(go), ElementsAre("main.go"));
  EXPECT_THAT(go.go_files, ElementsAre("main.go"));
  EXPECT_EQ(go.kind, Submission::Kind::standard_input);
  ASSERT_OK_AND_ASSIGN(
      Submission playground,
      from_stdin("package main\nfunc main() {}\n-- go.mod --\nmodule play.ground\n-- foo/foo.go --\npackage foo\n"));
  EXPECT_THAT(paths(playground), ElementsAre("foo/foo.go", "go.mod", "main.go"));
  ASSERT_OK_AND_ASSIGN(Submission raw,
                       from_stdin("package main\nconst archive = `\n-- go.mod --\n`\nfunc main() {}\n"));
  EXPECT_THAT(paths(raw), ElementsAre("main.go")) << "a marker inside a raw string is Go text";
}

TEST_F(TextArchiveTest, WhatIsNoSourceIsExplained) {
  const std::pair<std::string, const char*> cases[] = {{"", "empty"},
                                                       {"hello\n", "without a Go package clause"},
                                                       {"#!/bin/sh\n", "script"},
                                                       {std::string("\x7f"
                                                                    "ELF\2",
                                                                    5),
                                                        "exec"},
                                                       {std::string("\0\1\2", 3), "binary"},
                                                       {"BZh9", "pack it as"}};
  for (const auto& [text, why] : cases) {
    auto result = from_stdin(text);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().fault, Fault::input);
    EXPECT_THAT(result.error().what, HasSubstr(why));
  }
}

TEST_F(TextArchiveTest, StandardInputIsCapped) {
  request_.limits.bytes = Bytes{1000};
  request_.limits.files = 1;
  auto result = from_stdin("package main\n" + std::string(2 << 20, '/'));
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().what, HasSubstr("--max-bytes"));
  EXPECT_OK(from_stdin("package main\n"));
}

TEST(ContentKinds, AreToldByContent) {
  EXPECT_EQ(content_kind("\xef\xbb\xbfpackage x"), ContentKind::go);
  EXPECT_EQ(content_kind(std::string("package x\n") + "\xe2\x82"), ContentKind::go) << "cut in a character";
  EXPECT_EQ(content_kind("package x\n\xff\xff\xff\xff\xff"), ContentKind::binary);
  EXPECT_EQ(kind_of_name("A.TAR.GZ"), ContentKind::tar_gz);
  EXPECT_EQ(kind_of_name("x.unknown"), ContentKind::binary);
}

}  // namespace
}  // namespace sandbox_run::ingest
