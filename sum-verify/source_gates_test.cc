#include "sum-verify/source_gates.h"

#include <gmock/gmock.h>

#include "sum-verify/testing.h"

namespace sandbox_run::sum_verify {
namespace {

using namespace testing;
using ::testing::HasSubstr;

constexpr char kMain[] = "package main\n\nfunc main() {}\n";

Verification verify_files(std::map<std::string, std::string> files, const Options& options = {}) {
  MemoryModules none;
  files.try_emplace("go.mod", "module hello\n\ngo 1.26\n");
  return verify_or_die(*TestSubmission(files), none, options);
}

TEST(SourceGates, CgoBesidePureGoIsANoteAndAloneThePolicy) {
  const std::string cgo = "package main\n\n// int x;\nimport \"C\"\n\nfunc main() {}\n";
  const Verification beside = verify_files({{"main.go", kMain}, {"c.go", cgo}, {"x.c", "int x;"}, {"y.cpp", ""}});
  EXPECT_EQ(beside.exit_code(), 0) << describe(beside);
  EXPECT_EQ(find_code(beside, "SV601")->file, "c.go");
  EXPECT_EQ(find_code(beside, "SV601")->line, 4);
  const Verification alone = verify_files({{"c.go", cgo}});
  EXPECT_EQ(alone.exit_code(), 6) << describe(alone);
  EXPECT_THAT(find_code(alone, "SV401")->message, HasSubstr("uses cgo"));
}

TEST(SourceGates, CgoFlagsNeverCountCve20186574Cve202329404Cve202561732) {
  for (const char* line :
       {"#cgo CFLAGS: -fplugin=./evil.so", "#cgo LDFLAGS: -Wl,--dynamic-linker=x", "#cgo pkg-config: --x"}) {
    const Verification result =
        verify_files({{"main.go", std::string("package main\n\n// ") + line + "\nimport \"C\"\n\nfunc main() {}\n"}});
    EXPECT_EQ(result.exit_code(), 6) << line;
  }
}

TEST(SourceGates, ObjectsAreRefusedWhereTheBuildSelectsThem) {
  EXPECT_EQ(verify_files({{"main.go", kMain},
                          {"evil_linux_amd64.syso",
                           "\x7f"
                           "ELF"}})
                .exit_code(),
            6);
  EXPECT_EQ(verify_files({{"main.go", kMain}, {"evil.syso", ""}}).exit_code(), 6);
  EXPECT_EQ(verify_files({{"main.go", kMain}, {"icon_windows.syso", ""}}).exit_code(), 0);
  EXPECT_EQ(verify_files({{"main.go", kMain}, {"other/evil.syso", ""}}).exit_code(), 0);
}

TEST(SourceGates, FortranIsRefusedInGosWords) {
  const Verification result = verify_files({{"main.go", kMain}, {"x.f", ""}});
  EXPECT_EQ(result.exit_code(), 6);
  EXPECT_EQ(find_code(result, "SV403")->message, "Fortran source files not allowed when not using cgo or SWIG: x.f");
}

TEST(SourceGates, CgoDirectivesAndNamesAreRefused) {
  const Verification directive = verify_files(
      {{"main.go", "package main\n\n//go:cgo_import_dynamic libc_puts puts \"libc.so.6\"\nfunc main() {}\n"}});
  EXPECT_EQ(directive.exit_code(), 6) << describe(directive);
  EXPECT_EQ(find_code(directive, "SV404")->line, 3);
  EXPECT_EQ(verify_files({{"main.go", kMain}, {"_cgo_x.go", "package main\n"}}).exit_code(), 6);
  EXPECT_EQ(verify_files({{"main.go", "package main\n\nvar s = \"//go:cgo_x\"\n\nfunc main() {}\n"}}).exit_code(), 0);
}

TEST(SourceGates, LineDirectivesMayNotPoseAsCgoCve202339323) {
  for (const char* line : {"//line _cgo_gotypes.go:1", "/*line /tmp/_cgo_x.go:1:1*/", "//line a\\_cgo_b.go:3"}) {
    const Verification result =
        verify_files({{"main.go", std::string("package main\n\n") + line + "\nfunc main() {}\n"}});
    EXPECT_EQ(result.exit_code(), 6) << line << describe(result);
  }
  EXPECT_EQ(verify_files({{"main.go", "package main\n\n//line /etc/passwd:1\nfunc main() {}\n"}}).exit_code(), 0)
      << "the compiler's messages then name that file, and nothing opens it";
}

TEST(SourceGates, AssemblyMayIncludeOnlyWhatIsInItsModule) {
  const auto with = [](const std::string& include, const std::string& header = "") {
    return verify_files({{"main.go", kMain}, {"x_amd64.s", "#include \"" + include + "\"\n"}, {"x.h", header}});
  };
  EXPECT_EQ(with("textflag.h").exit_code(), 0);
  EXPECT_EQ(with("x.h").exit_code(), 0);
  EXPECT_EQ(with("/dev/zero").exit_code(), 6);
  EXPECT_EQ(with("../../../dev/zero").exit_code(), 6);
  EXPECT_EQ(with("sub/../../x").exit_code(), 6);
  const Verification behind = with("x.h", "\n#include \"/etc/passwd\"\n");
  EXPECT_EQ(behind.exit_code(), 6) << describe(behind);
  EXPECT_EQ(find_code(behind, "SV407")->file, "x.h");
  EXPECT_EQ(find_code(behind, "SV407")->line, 2);
  // Across the module's own directories, as real modules do.
  const auto across = [](const std::string& header) {
    return verify_files({{"main.go", "package main\n\nimport _ \"hello/a/b\"\n\nfunc main() {}\n"},
                         {"a/b/b.go", "package b\n"},
                         {"a/b/b_amd64.s", "#include \"../../math/x.h\"\n"},
                         {"math/x.h", header}});
  };
  EXPECT_EQ(across("").exit_code(), 0);
  const Verification outside = across("#include \"../../../x.h\"\n");
  EXPECT_EQ(outside.exit_code(), 6) << describe(outside);
  EXPECT_EQ(find_code(outside, "SV407")->file, "math/x.h");
  EXPECT_EQ(verify_files({{"main.go", kMain}, {"x_arm64.s", "#include \"/dev/zero\"\n"}}).exit_code(), 0);
}

TEST(SourceGates, ManyDirectivesDoNotHideTheOneThatMatters) {
  std::string text = "package main\n\nfunc main() {}\n";
  for (int i = 0; i < 50'000; ++i) text += "//go:x\n//go:linkname a b.c\n//line x.go:1\n";
  const Verification result = verify_files({{"main.go", text + "//go:cgo_ldflag \"-lc\"\n"}});
  EXPECT_EQ(result.exit_code(), 6);
  EXPECT_EQ(find_code(result, "SV404")->line, 150'004);
}

TEST(SourceGates, FindingsHaveALimitAndTheExitCodeDoesNotDependOnIt) {
  std::string imports = "package main\n\n";
  for (int i = 0; i < 10'000; ++i) imports += "import _ \"example.org/p" + std::to_string(i) + "\"\n";
  const Verification result = verify_files({{"main.go", imports + "func main() {}\n"}, {"z.syso", ""}});
  EXPECT_EQ(result.exit_code(), 6);
  EXPECT_LE(result.findings.size(), 1000u);
}

TEST(SourceGates, LinknameIsReportedAndOverlongLinesAreRefused) {
  const Verification linkname = verify_files(
      {{"main.go", "package main\n\nimport _ \"unsafe\"\n\n//go:linkname f runtime.f\nfunc f()\n\nfunc main() {}\n"}});
  EXPECT_EQ(linkname.exit_code(), 0);
  EXPECT_THAT(find_code(linkname, "SV602")->message, HasSubstr("runtime.f"));
  const Verification line = verify_files({{"main.go", kMain + ("// " + std::string(2 << 20, 'x'))}});
  EXPECT_EQ(line.exit_code(), 7) << line.findings.size();
}

TEST(SourceGates, GoflagsAndWorkspacesAreIgnoredOrRefused) {
  const Verification ignored =
      verify_files({{"main.go", kMain}, {".env", "A=b\nGOFLAGS=-mod=mod\n"}, {"go.work", "go 1.26\n"}});
  EXPECT_EQ(ignored.exit_code(), 0);
  EXPECT_NE(find_code(ignored, "SV603"), nullptr);
  for (const char* flags : {"-modfile=x.mod", "-overlay=/o.json", "-toolexec=./evil"}) {
    const Verification refused =
        verify_files({{"main.go", kMain}, {".envrc", std::string("export GOFLAGS=") + flags + "\n"}});
    EXPECT_EQ(refused.exit_code(), 6) << flags;
    EXPECT_EQ(find_code(refused, "SV410")->line, 1);
  }
}

TEST(SourceGates, NamedFilesAreBuiltWhateverTheirConstraintsSay) {
  const std::map<std::string, std::string> files = {
      {"gen.go", "//go:build ignore\n\npackage main\n\nimport _ \"example.org/absent\"\n"},
      {"unnamed.go", "package main\n\nimport _ \"example.org/other\"\n"}};
  TestSubmission submission(files);
  submission->go_files = {"gen.go"};
  MemoryModules none;
  const Verification result = verify_or_die(*submission, none);
  EXPECT_EQ(result.exit_code(), 4) << describe(result);
  EXPECT_THAT(describe(result), HasSubstr("example.org/absent"));
  EXPECT_THAT(describe(result), ::testing::Not(HasSubstr("example.org/other")));
}

TEST(SourceGates, NestedModulesAreNotPartOfTheMainModule) {
  MemoryModules none;
  const Verification result = verify_or_die(
      *TestSubmission({{"go.mod", "module hello\n"}, {"tool/go.mod", "module tool\n"}, {"tool/main.go", kMain}},
                      "./tool"),
      none);
  EXPECT_EQ(result.exit_code(), 5) << describe(result);
  EXPECT_THAT(describe(result), HasSubstr("main module (hello) does not contain package hello/tool"));
}

}  // namespace
}  // namespace sandbox_run::sum_verify
