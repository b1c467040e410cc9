#include "sum-verify/go_source.h"

#include <gtest/gtest.h>

namespace sandbox_run::sum_verify {
namespace {

std::string imports_of(const std::string& text) {
  std::string joined;
  for (const GoImport& import : scan_go_source(text).imports) {
    joined += (joined.empty() ? "" : " ") + import.path + ":" + std::to_string(import.line);
  }
  return joined;
}

TEST(GoSource, ImportsInEveryForm) {
  EXPECT_EQ(imports_of("package p\nimport \"fmt\"\nimport m \"math\"\nimport . \"os\"\nimport _ `embed`\n"),
            "fmt:2 math:3 os:4 embed:5");
  EXPECT_EQ(
      imports_of("\xEF\xBB\xBF// c\n/* d */ package p; import (\n\t\"a.org/x\"; y \"b.org/y\" // z\n)\nimport()\n"),
      "a.org/x:3 b.org/y:3");
  EXPECT_EQ(imports_of("package p;import(\"a\";\"b\")\nvar x = \"import\"\n"), "a:1 b:1");
  EXPECT_EQ(imports_of("package p\nimport \"\\x66mt\"\n"), "fmt:2");
  EXPECT_EQ(imports_of("package p\nimport\n/* gap */\n\"fmt\"\n"), "fmt:4");
}

TEST(GoSource, ImportsEndWhereOtherCodeBegins) {
  EXPECT_EQ(imports_of("package p\nfunc f() {}\nimport \"fmt\"\n"), "");
  EXPECT_EQ(imports_of("package p\nvar importer = `import \"x\"`\n"), "");
  EXPECT_EQ(imports_of("// import \"x\"\npackage p\n/* import \"y\" */\n"), "");
}

TEST(GoSource, CgoIsSeen) {
  EXPECT_TRUE(scan_go_source("package p\n// #include <x.h>\nimport \"C\"\n").imports_c());
  EXPECT_FALSE(scan_go_source("package p\nimport \"c\"\n// import \"C\"\n").imports_c());
}

TEST(GoSource, DirectivesAreFoundInCommentsOnly) {
  const GoSource source = scan_go_source(
      "package p\nvar s = \"//go:cgo_a\" + `\n//go:cgo_b\n` + string('\"') // x\n//go:linkname f runtime.f\n"
      "\t//go:cgo_import_dynamic a b c\n/*line _cgo_x.go:1*/\n//line x.go:3\n");
  ASSERT_EQ(source.directives.size(), 3u);
  EXPECT_EQ(source.directives[0].text, "//go:linkname f runtime.f");
  EXPECT_EQ(source.directives[0].line, 5);
  EXPECT_EQ(source.directives[1].text, "//go:cgo_import_dynamic a b c");
  EXPECT_EQ(source.directives[1].column, 2);
  EXPECT_EQ(source.directives[2].text, "/*line _cgo_x.go:1");
}

TEST(GoSource, RuneLiteralsDoNotOpenStrings) {
  const GoSource source = scan_go_source("package p\nvar a, b = '\"', '\\''\n//go:cgo_x\n");
  EXPECT_EQ(source.directives.size(), 1u);
}

TEST(GoSource, AnUnclosedCommentEndsTheFile) {
  for (const char* text :
       {"package p\n/*/", "package p\n/*", "/*/", "package p\n/*line x.go:1", "package p; import (/*/"}) {
    EXPECT_TRUE(scan_go_source(text).imports.empty()) << text;
    EXPECT_TRUE(scan_assembly_includes(text).empty()) << text;
  }
}

TEST(GoSource, TheLongestLineIsMeasured) {
  const GoSource source = scan_go_source("package p\n// " + std::string(100, 'x') + "\n");
  EXPECT_EQ(source.longest_line_bytes, 103u);
  EXPECT_EQ(source.longest_line, 2);
}

TEST(AssemblyIncludes, AreFoundHoweverTheyAreWritten) {
  const auto includes = scan_assembly_includes(
      "// #include \"commented\"\n#include \"textflag.h\"\n#\tinclude /* x */ \"/dev/zero\"\nDATA x(SB)/8, "
      "$\"#include\"\n"
      "# // c\n include\n \"..\\x2fh\"\n#define include\n");
  ASSERT_EQ(includes.size(), 3u);
  EXPECT_EQ(includes[0].file, "textflag.h");
  EXPECT_EQ(includes[0].line, 2);
  EXPECT_EQ(includes[1].file, "/dev/zero");
  EXPECT_EQ(includes[2].file, "../h");
}

}  // namespace
}  // namespace sandbox_run::sum_verify
