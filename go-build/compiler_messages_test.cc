#include "go-build/compiler_messages.h"

#include <gtest/gtest.h>

namespace sandbox_run::go_build {
namespace {

CompilerMessages read(std::string_view text) { return read_compiler_messages(text, Bytes{text.size()}); }

TEST(CompilerMessages, ACompileErrorHasFileLineAndColumn) {
  auto messages = read(
      "# example.org/e1/sub\nsub/s.go:3:16: declared and not used: x\n# example.org/e1\n./main.go:5:6: missing "
      "function body\n");
  ASSERT_EQ(messages.diagnostics.size(), 2u);
  EXPECT_EQ(messages.diagnostics[0].file, "sub/s.go");
  EXPECT_EQ(messages.diagnostics[0].line, 3);
  EXPECT_EQ(messages.diagnostics[0].column, 16);
  EXPECT_EQ(messages.diagnostics[0].message, "declared and not used: x");
  EXPECT_EQ(messages.diagnostics[0].code, "GB001");
  EXPECT_EQ(messages.diagnostics[1].file, "main.go");
  EXPECT_EQ(messages.output,
            "# example.org/e1/sub\nsub/s.go:3:16: declared and not used: x\n# example.org/e1\n./main.go:5:6: missing "
            "function body\n");
  EXPECT_FALSE(messages.truncated);
}

TEST(CompilerMessages, EveryKindOfErrorIsToldApart) {
  struct Row {
    const char* line;
    const char* code;
    const char* file;
    int line_number;
    int column;
    const char* message;
  };
  const Row rows[] = {
      {"main.go:4:1: package foo/bar is not in std (/goroot/src/foo/bar)", "GB003", "main.go", 4, 1,
       "package foo/bar is not in std ($GOROOT/src/foo/bar)"},
      {"main.main: relocation target main.g not defined", "GB002", "", 0, 0,
       "main.main: relocation target main.g not defined"},
      {"./e.s:2: unrecognized instruction \"FOO\"", "GB001", "e.s", 2, 0, "unrecognized instruction \"FOO\""},
      {"main.go:3:12: pattern nope.txt: no matching files found", "GB003", "main.go", 3, 12,
       "pattern nope.txt: no matching files found"},
      {"found packages main (main.go) and other (o.go) in /src", "GB003", "", 0, 0,
       "found packages main (main.go) and other (o.go) in ."},
      {"go.mod:1: unknown directive: modul", "GB003", "go.mod", 1, 0, "unknown directive: modul"},
      {"go: /src/go.mod:7: bad", "GB003", "go.mod", 7, 0, "bad"},
      {"go: go.mod requires go >= 1.29 (running go 1.26.8; GOTOOLCHAIN=local)", "GB003", "", 0, 0,
       "go.mod requires go >= 1.29 (running go 1.26.8; GOTOOLCHAIN=local)"},
      {"/gomod/example.com/!y@v1.0.0/y.go:6:12: undefined: x", "GB001", "example.com/Y@v1.0.0/y.go", 6, 12,
       "undefined: x"},
      {"../gomod/github.com/!a!b/c@v1.2.3/z.go:1:2: oh no!y", "GB001", "github.com/AB/c@v1.2.3/z.go", 1, 2, "oh no!y"},
      {"/etc/passwd:3: undefined: x", "GB001", "/etc/passwd", 3, 0, "undefined: x"},
      {"a file.go:3:4: undefined: x", "GB001", "a file.go", 3, 4, "undefined: x"},
      {"a:b.go:3:4: undefined: x", "GB001", "a:b.go", 3, 4, "undefined: x"},
  };
  for (const Row& row : rows) {
    auto messages = read(row.line);
    ASSERT_EQ(messages.diagnostics.size(), 1u) << row.line;
    const auto& d = messages.diagnostics[0];
    EXPECT_EQ(d.code, row.code) << row.line;
    EXPECT_EQ(d.file, row.file) << row.line;
    EXPECT_EQ(d.line, row.line_number) << row.line;
    EXPECT_EQ(d.column, row.column) << row.line;
    EXPECT_EQ(d.message, row.message) << row.line;
  }
}

TEST(CompilerMessages, ContinuationLinesJoinAndNoiseIsNoDiagnostic) {
  auto messages = read(
      "# p\n./m.go:1:2: cannot use x\n\thave (int)\n\twant (string)\nasm: assembly of ./e.s failed\n./m.go:9:1: too "
      "many errors\ntoo many errors\n");
  ASSERT_EQ(messages.diagnostics.size(), 1u);
  EXPECT_EQ(messages.diagnostics[0].message, "cannot use x have (int) want (string)");
}

TEST(CompilerMessages, NamesThatOnlyLookLikeOurPathsStay) {
  EXPECT_EQ(submitter_paths("github.com/me/src/x.go:1: a"), "github.com/me/src/x.go:1: a");
  EXPECT_EQ(submitter_paths("https://x/gomod/y"), "https://x/gomod/y");
  EXPECT_EQ(submitter_paths("in /srcs/x"), "in /srcs/x");
  EXPECT_EQ(submitter_paths("in /src: (/src) \"/src/a\" /gotmp/go-build1/b001"),
            "in .: (.) \"a\" $TMPDIR/go-build1/b001");
}

TEST(CompilerMessages, FilesNamedByImportPathGetTheirSubmittedName) {
  const SubmittedFiles submitted = {{"main.go", "cmd/x/a.go", "probe/other.go"}, "."};
  auto first = [&](std::string_view text) {
    auto messages = read_compiler_messages(text, Bytes{text.size()}, kMessagesCap, &submitted);
    return messages.diagnostics.at(0).file + " | " + messages.output;
  };
  EXPECT_EQ(first("probe/main.go:5:32: too large\n"), "main.go | main.go:5:32: too large\n");
  EXPECT_EQ(first("example.org/app/cmd/x/a.go:1:1: x\n"), "cmd/x/a.go | cmd/x/a.go:1:1: x\n");
  EXPECT_EQ(first("probe/other.go:1:1: x\n"), "probe/other.go | probe/other.go:1:1: x\n");
}

TEST(CompilerMessages, AFileThatWasNotSubmittedIsNoDiagnosticsFile) {
  const SubmittedFiles submitted = {{"main.go", "app/app.go", "y/y.go"}, "app"};
  auto first = [&](std::string_view text) {
    auto messages = read_compiler_messages(text, Bytes{text.size()}, kMessagesCap, &submitted);
    EXPECT_EQ(messages.output, text);
    const Diagnostic& d = messages.diagnostics.at(0);
    EXPECT_EQ(d.line == 0, d.file.empty());
    return d.code + " | " + d.file + " | " + d.message;
  };
  // What `/*line /etc/passwd:1*/` makes of a message, and names that climb out of the submission.
  for (const char* foreign : {"/etc/passwd:1: undefined: x", "../../etc/passwd:1:2: undefined: x",
                              "main.go:1:2: undefined: x", "/main.go:1:2: undefined: x",
                              "example.com/y@v1.0.0/y.go:1:1: undefined: x", "$GOROOT/src/a.go:3: undefined: x"})
    EXPECT_EQ(first(std::string(foreign) + "\n"), "GB001 |  | " + std::string(foreign));
  EXPECT_EQ(first("app.go:1:2: undefined: x\n"), "GB001 | app.go | undefined: x");
  EXPECT_EQ(first("../y/y.go:1:2: undefined: x\n"), "GB001 | ../y/y.go | undefined: x");
}

TEST(CompilerMessages, ControlCharactersAndReorderingMarksAreEscaped) {
  auto messages = read("./m.go:1:2: undefined: \x1b[31m\u202e\n");
  EXPECT_EQ(messages.output, "./m.go:1:2: undefined: \\x1b[31m\\u202e\n");
  EXPECT_EQ(messages.diagnostics.at(0).message, "undefined: \\x1b[31m\\u202e");
}

TEST(CompilerMessages, TheTextIsCappedAtALinesEndAndMarked) {
  std::string flood;
  for (int i = 0; i < 100000; ++i) flood += "./main.go:" + std::to_string(i + 1) + ":1: undefined: x\n";
  auto messages = read(flood);
  EXPECT_TRUE(messages.truncated);
  EXPECT_LE(messages.output.size(), kMessagesCap.count);
  EXPECT_TRUE(messages.output.ends_with("\n"));
  EXPECT_EQ(messages.diagnostics.size(), kMaxDiagnostics);
  std::string one_line = "./main.go:1:1: " + std::string(1 << 20, 'x');
  auto long_one = read(one_line);
  EXPECT_TRUE(long_one.truncated);
  EXPECT_LE(long_one.output.size(), 2100u);
  EXPECT_GT(long_one.output.size(), 100u);
  EXPECT_TRUE(read_compiler_messages("a.go:1:1: x\n", Bytes{1 << 20}).truncated) << "what was not captured was lost";
}

}  // namespace
}  // namespace sandbox_run::go_build
