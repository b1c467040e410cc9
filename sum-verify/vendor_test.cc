#include "sum-verify/vendor.h"

#include <gmock/gmock.h>

#include "sum-verify/testing.h"

namespace sandbox_run::sum_verify {
namespace {

using namespace testing;
using ::testing::HasSubstr;

const ModuleVersion kDep{"example.org/dep", "v1.0.0"};

class Vendored : public ::testing::Test {
 protected:
  void SetUp() override {
    modules.add(kDep, {{"go.mod", "module example.org/dep\n\ngo 1.21\n"},
                       {"dep.go", "package dep\n"},
                       {"LICENSE", "free\n"},
                       {"unused/u.go", "package unused\n"}});
    files = {{"go.mod", "module example.org/main\n\ngo 1.26\n\nrequire example.org/dep v1.0.0\n"},
             {"go.sum", modules.sum_lines},
             {"main.go", "package main\n\nimport _ \"example.org/dep\"\n\nfunc main() {}\n"},
             {"vendor/modules.txt", "# example.org/dep v1.0.0\n## explicit; go 1.21\nexample.org/dep\n"},
             {"vendor/example.org/dep/dep.go", "package dep\n"},
             {"vendor/example.org/dep/LICENSE", "free\n"}};
  }
  Verification verify() { return verify_or_die(*TestSubmission(files), modules, {.toolchain_go_version = "1.26.8"}); }
  MemoryModules modules;
  std::map<std::string, std::string> files;
};

TEST_F(Vendored, FilesEqualToTheModulesAreVerified) {
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 0) << describe(result);
  ASSERT_TRUE(result.tree);
  EXPECT_TRUE(result.tree->vendored);
  EXPECT_EQ(find_code(result, "SV604"), nullptr);
  EXPECT_TRUE(modules.extracted.empty()) << "the build reads vendor/";
}

TEST_F(Vendored, AnEditedFileIsFoundWhichTheGoCommandBuilds) {
  files["vendor/example.org/dep/dep.go"] = "package dep\n\nfunc init() { evil() }\n";
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 3) << describe(result);
  EXPECT_EQ(find_code(result, "SV104")->file, "vendor/example.org/dep/dep.go");
}

TEST_F(Vendored, ExtraFilesAreFound) {
  files["vendor/example.org/dep/extra.go"] = "package dep\n";
  EXPECT_EQ(verify().exit_code(), 3);
  files.erase("vendor/example.org/dep/extra.go");
  files["vendor/example.net/unlisted/x.go"] = "package unlisted\n";
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 3) << describe(result);
  EXPECT_THAT(describe(result), HasSubstr("belongs to no module of vendor/modules.txt"));
}

TEST_F(Vendored, WithoutTheZipTheReportSaysWhatGoSumCannotVouchFor) {
  modules.zips.clear();
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 0) << describe(result);
  ASSERT_NE(find_code(result, "SV604"), nullptr);
  EXPECT_THAT(find_code(result, "SV604")->message, HasSubstr("2 files are built as they are"));
  files.erase("go.sum");
  EXPECT_THAT(find_code(verify(), "SV604")->message, HasSubstr("go.sum has no line"));
}

TEST_F(Vendored, AWrongHashOfTheModuleIsAMismatchThoughTheGoCommandIgnoresGoSum) {
  modules.zips[kDep] =
      make_zip(module_files(kDep, {{"go.mod", "module example.org/dep\n"}, {"dep.go", "package dep\n"}}));
  EXPECT_EQ(verify().exit_code(), 3);
}

TEST_F(Vendored, AChangedLanguageVersionIsFound) {
  files["vendor/modules.txt"] = "# example.org/dep v1.0.0\n## explicit; go 1.4\nexample.org/dep\n";
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 3) << describe(result);
  EXPECT_EQ(find_code(result, "SV106")->got, "1.4");
}

TEST_F(Vendored, InconsistenciesWithGoModAreRefusedInGosWords) {
  const std::pair<const char*, const char*> cases[] = {
      {"# example.org/dep v1.0.0\nexample.org/dep\n",
       "is explicitly required in go.mod, but not marked as explicit in vendor/modules.txt"},
      {"# example.org/dep v1.0.1\n## explicit; go 1.21\nexample.org/dep\n",
       "is marked as explicit in vendor/modules.txt, but not explicitly required in go.mod"},
      {"# example.org/dep v1.0.0 => ./x\n## explicit; go 1.21\nexample.org/dep\n",
       "is marked as replaced in vendor/modules.txt, but not replaced in go.mod"},
      {"", "is explicitly required in go.mod, but not marked as explicit in vendor/modules.txt"},
  };
  for (const auto& [list, message] : cases) {
    files["vendor/modules.txt"] = list;
    const Verification result = verify();
    EXPECT_THAT(describe(result), HasSubstr(message));
    EXPECT_NE(find_code(result, "SV307"), nullptr);
    EXPECT_FALSE(result.tree);
  }
}

TEST_F(Vendored, OldGoLinesAndWorkspacesDoNotUseVendor) {
  files["go.mod"] = "module example.org/main\n\ngo 1.13\n\nrequire example.org/dep v1.0.0\n";
  const Verification old = verify();
  EXPECT_EQ(old.exit_code(), 0) << describe(old);
  EXPECT_FALSE(old.tree->vendored);
  files["go.mod"] = "module example.org/main\n\ngo 1.26\n\nrequire example.org/dep v1.0.0\n";
  files["vendor/modules.txt"] = "## workspace\n# example.org/dep v1.0.0\n";
  EXPECT_FALSE(verify().tree->vendored);
}

TEST(VendorList, IsReadAsGoReadsIt) {
  const VendorList list = parse_vendor_list(
      "orphan/package\n# a.org/x v1.0.0 => b.org/y v1.1.0\n## explicit; go 1.20\na.org/x/p\n# short\na.org/x/q\n"
      "# c.org/z => ./z\n# d.org/w nonsense\nd.org/w\n");
  ASSERT_EQ(list.modules.size(), 2u);
  EXPECT_EQ(list.modules[0].replacement, (ModuleVersion{"b.org/y", "v1.1.0"}));
  EXPECT_TRUE(list.modules[0].is_explicit);
  EXPECT_EQ(list.modules[0].go_version, "1.20");
  EXPECT_EQ(list.modules[0].packages, (std::vector<std::string>{"a.org/x/p", "a.org/x/q"}));
  EXPECT_EQ(list.modules[1].replacement, (ModuleVersion{"./z", ""}));
  EXPECT_TRUE(list.modules[1].packages.empty());
}

}  // namespace
}  // namespace sandbox_run::sum_verify
