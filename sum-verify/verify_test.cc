#include "sum-verify/verify.h"

#include <gmock/gmock.h>

#include "sum-verify/testing.h"

namespace sandbox_run::sum_verify {
namespace {

using namespace testing;
using ::testing::HasSubstr;

constexpr char kHello[] = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n";
constexpr char kUsesDep[] = "package main\n\nimport \"example.org/dep/sub\"\n\nfunc main() { sub.F() }\n";
const ModuleVersion kDep{"example.org/dep", "v1.2.0"};
const ModuleVersion kDeeper{"example.org/deeper", "v0.1.0"};

std::string go_mod_requiring(const std::string& requires_, const std::string& go = "1.26") {
  return "module example.org/main\n\ngo " + go + "\n\n" + requires_;
}

// A main module that imports example.org/dep/sub, which imports example.org/deeper.
class WithDependencies : public ::testing::Test {
 protected:
  void SetUp() override {
    modules.add(kDep, {{"go.mod", "module example.org/dep\n\ngo 1.21\n\nrequire example.org/deeper v0.1.0\n"},
                       {"sub/sub.go", "package sub\n\nimport \"example.org/deeper\"\n\nfunc F() { deeper.F() }\n"},
                       {"sub/other_windows.go", "package sub\n\nimport _ \"example.org/nowhere\"\n"},
                       {"sub/sub_test.go", "package sub\n\nimport _ \"example.org/nowhere\"\n"}});
    modules.add(kDeeper,
                {{"go.mod", "module example.org/deeper\n\ngo 1.21\n"}, {"f.go", "package deeper\n\nfunc F() {}\n"}});
    files = {
        {"go.mod", go_mod_requiring("require example.org/dep v1.2.0\nrequire example.org/deeper v0.1.0 // indirect\n")},
        {"go.sum", modules.sum_lines},
        {"main.go", kUsesDep}};
  }
  Verification verify() { return verify_or_die(*TestSubmission(files), modules, options); }
  void replace_in(const std::string& file, const std::string& from, const std::string& to) {
    std::string& text = files[file];
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
  }
  std::string zip_h1(const ModuleVersion& module) { return line_of(module, module.version); }
  std::string mod_h1(const ModuleVersion& module) { return line_of(module, module.version + "/go.mod"); }
  std::string line_of(const ModuleVersion& module, const std::string& version) {
    const std::string key = module.path + " " + version + " ";
    const std::size_t at = modules.sum_lines.find(key) + key.size();
    return modules.sum_lines.substr(at, modules.sum_lines.find('\n', at) - at);
  }

  MemoryModules modules;
  std::map<std::string, std::string> files;
  Options options{.toolchain_go_version = "1.26.8"};
};

TEST(Verify, AProgramOfTheStandardLibraryNeedsNoModules) {
  MemoryModules none;
  for (const std::map<std::string, std::string>& files :
       {std::map<std::string, std::string>{{"main.go", kHello}},
        std::map<std::string, std::string>{{"main.go", kHello}, {"go.mod", "module hello\n\ngo 1.26\n"}},
        std::map<std::string, std::string>{{"main.go", kHello}, {"go.mod", "module hello\n"}, {"go.sum", ""}}}) {
    const Verification result = verify_or_die(*TestSubmission(files), none);
    EXPECT_EQ(result.exit_code(), 0) << describe(result);
    ASSERT_TRUE(result.tree);
    EXPECT_TRUE(result.tree->modules.empty());
    EXPECT_NE(find_code(result, "SV606"), nullptr);
  }
}

TEST(Verify, PackagesOfTheMainModuleAreWalkedToo) {
  MemoryModules none;
  const std::map<std::string, std::string> files = {
      {"go.mod", "module hello\n\ngo 1.26\n"},
      {"cmd/tool/main.go", "package main\n\nimport _ \"hello/inner\"\n\nfunc main() {}\n"},
      {"inner/x.go", "package inner\n\nimport _ \"example.org/absent\"\n"}};
  const Verification result = verify_or_die(*TestSubmission(files, "./cmd/tool"), none);
  EXPECT_EQ(result.exit_code(), 4) << describe(result);
  const Finding* finding = find_code(result, "SV205");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->file, "inner/x.go");
  EXPECT_EQ(finding->line, 3);
  EXPECT_THAT(finding->message, HasSubstr("no required module provides package example.org/absent; to add it"));
}

TEST(Verify, WhatMayBeTheStandardLibrarysIsHandedToTheBuild) {
  MemoryModules none;
  const std::map<std::string, std::string> files = {
      {"go.mod", "module strings\n\ngo 1.26\n"},
      {"main.go",
       "package main\n\nimport (\n\t_ \"net/http\"\n\t_ \"strings\"\n\t_ \"strings/inner\"\n)\n\nfunc main() {}\n"},
      {"main_windows.go", "package main\n\nimport _ \"bytes\"\n"},
      {"inner/x.go", "package inner\n\nimport _ \"os\"\n"},
      {"inner/x_test.go", "package inner\n\nimport _ \"testing\"\n"}};
  const Verification result = verify_or_die(*TestSubmission(files), none);
  ASSERT_TRUE(result.tree) << describe(result);
  EXPECT_THAT(result.tree->standard_imports, ::testing::ElementsAre("net/http", "os", "strings", "strings/inner"))
      << "the main module does not hide a package of the standard library from a build";
}

TEST(Verify, AMissingPackageDirectoryIsNamed) {
  MemoryModules none;
  const Verification result = verify_or_die(*TestSubmission({{"main.go", kHello}}, "./cmd"), none);
  EXPECT_EQ(result.exit_code(), 5) << describe(result);
  EXPECT_NE(find_code(result, "SV309"), nullptr);
}

TEST_F(WithDependencies, AreVerifiedAndHandedToTheBuild) {
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 0) << describe(result);
  ASSERT_TRUE(result.tree);
  ASSERT_EQ(result.tree->modules.size(), 2u);
  const VerifiedModule& deeper = result.tree->modules[0];
  EXPECT_EQ(deeper.module, kDeeper);
  EXPECT_EQ(deeper.zip_h1, zip_h1(kDeeper));
  EXPECT_EQ(deeper.go_mod_h1, mod_h1(kDeeper));
  EXPECT_TRUE(std::filesystem::exists(deeper.tree_path + "/f.go"));
  EXPECT_TRUE(std::filesystem::exists(deeper.go_mod_path));
  EXPECT_EQ(result.tree->go_version, "1.26");
}

TEST_F(WithDependencies, AWrongZipHashInGoSumIsAMismatch) {
  replace_in("go.sum", zip_h1(kDeeper), zip_h1(kDep));
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 3) << describe(result);
  EXPECT_FALSE(result.tree);
  const Finding* finding = find_code(result, "SV101");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->message, "verifying example.org/deeper@v0.1.0: checksum mismatch");
  EXPECT_EQ(finding->want, zip_h1(kDep));
  EXPECT_EQ(finding->got, zip_h1(kDeeper));
  EXPECT_EQ(finding->source, "go.sum:3");
  EXPECT_TRUE(modules.extracted.empty());
}

TEST_F(WithDependencies, ATamperedZipIsFoundAndAManifestNamesTheFile) {
  modules.knows_manifests = true;
  modules.zips[kDeeper] = make_zip(module_files(kDeeper, {{"go.mod", "module example.org/deeper\n\ngo 1.21\n"},
                                                          {"f.go", "package deeper\n\nfunc F() { evil() }\n"}}));
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 3) << describe(result);
  EXPECT_THAT(describe(result), HasSubstr("the first file that differs is example.org/deeper@v0.1.0/f.go"));
}

TEST_F(WithDependencies, ATamperedGoModInAZipIsNamedWithoutAManifest) {
  modules.zips[kDeeper] = make_zip(module_files(
      kDeeper, {{"go.mod", "module example.org/deeper\n\ngo 1.22\n"}, {"f.go", "package deeper\n\nfunc F() {}\n"}}));
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 3) << describe(result);
  EXPECT_THAT(describe(result), HasSubstr("its go.mod differs"));
}

TEST_F(WithDependencies, ADamagedZipIsAMismatchToo) {
  std::string& zip = modules.zips[kDeeper];
  zip[zip.find("example.org/deeper@v0.1.0/f.go") + 33] ^= 0x40;
  EXPECT_EQ(verify().exit_code(), 3);
  zip = "not a zip at all";
  EXPECT_EQ(verify().exit_code(), 3);
}

TEST_F(WithDependencies, ATamperedModFileIsAMismatch) {
  modules.go_mods[kDep] += "\nrequire example.org/evil v1.0.0\n";
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 3) << describe(result);
  const Finding* finding = find_code(result, "SV102");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->message, "verifying example.org/dep@v1.2.0/go.mod: checksum mismatch");
}

TEST_F(WithDependencies, AZipWhoseGoModIsNotTheRecordedOneIsAMismatch) {
  // Both hashes are go.sum's, and yet the go.mod that builds is not the one that readers of the zip see.
  const std::string other = "module example.org/deeper\n\ngo 1.22\n";
  modules.go_mods[kDeeper] = other;
  replace_in("go.sum", mod_h1(kDeeper), h1_of_go_mod(other));
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 3) << describe(result);
  EXPECT_NE(find_code(result, "SV103"), nullptr);
}

TEST_F(WithDependencies, MissingLinesAreNamedInGosWords) {
  replace_in("go.sum", "example.org/deeper v0.1.0 ", "example.org/other v0.1.0 ");
  const Verification without_zip = verify();
  EXPECT_EQ(without_zip.exit_code(), 4) << describe(without_zip);
  EXPECT_THAT(describe(without_zip),
              HasSubstr("missing go.sum entry for module providing package example.org/deeper "
                        "(imported by example.org/dep/sub); to add: go get example.org/dep/sub"));
  files["go.sum"] = modules.sum_lines;
  replace_in("go.sum", "example.org/dep v1.2.0/go.mod ", "example.org/dep v1.2.1/go.mod ");
  const Verification without_mod = verify();
  EXPECT_EQ(without_mod.exit_code(), 4) << describe(without_mod);
  EXPECT_THAT(describe(without_mod), HasSubstr("missing go.sum entry for go.mod file; to add it: go mod download"));
}

TEST_F(WithDependencies, NoGoSumAtAllMeansMissingLines) {
  files.erase("go.sum");
  EXPECT_EQ(verify().exit_code(), 4);
}

TEST_F(WithDependencies, UnknownAlgorithmsVouchForNothing) {
  replace_in("go.sum", zip_h1(kDeeper), "h2:" + zip_h1(kDeeper).substr(3));
  EXPECT_EQ(verify().exit_code(), 4);
}

TEST_F(WithDependencies, MalformedBase64IsAMismatch) {
  replace_in("go.sum", zip_h1(kDeeper), "h1:????");
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 3) << describe(result);
  EXPECT_THAT(find_code(result, "SV101")->hint, HasSubstr("base64"));
}

TEST_F(WithDependencies, ConflictingLinesAreRefusedInEitherOrder) {
  const std::string wrong = "example.org/deeper v0.1.0 " + zip_h1(kDep) + "\n";
  files["go.sum"] = modules.sum_lines + wrong;
  EXPECT_EQ(verify().exit_code(), 5);
  files["go.sum"] = wrong + modules.sum_lines;
  EXPECT_EQ(verify().exit_code(), 5);
  files["go.sum"] = modules.sum_lines + modules.sum_lines;
  EXPECT_EQ(verify().exit_code(), 0);  // the control: repeated, not conflicting
}

TEST_F(WithDependencies, CarriageReturnsInGoSumAreHarmless) {
  std::string crlf;
  for (const char c : modules.sum_lines) crlf += c == '\n' ? "\r\n" : std::string(1, c);
  files["go.sum"] = crlf;
  EXPECT_EQ(verify().exit_code(), 0);
}

TEST_F(WithDependencies, AMalformedGoSumIsRefusedThoughTheNeededLinesAreGood) {
  files["go.sum"] += "two fields\n";
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 5) << describe(result);
  EXPECT_THAT(describe(result), HasSubstr("malformed go.sum: go.sum:5: wrong number of fields 2"));
}

TEST_F(WithDependencies, AnAbsentZipOrModSaysHowToGetIt) {
  modules.zips.erase(kDeeper);
  const Verification no_zip = verify();
  EXPECT_EQ(no_zip.exit_code(), 4) << describe(no_zip);
  EXPECT_THAT(find_code(no_zip, "SV204")->hint, HasSubstr("--fetch"));
  modules.go_mods.erase(kDep);
  EXPECT_NE(find_code(verify(), "SV203"), nullptr);
}

TEST_F(WithDependencies, ModulesThatNothingImportsNeedNoZip) {
  files["main.go"] = kHello;
  modules.zips.clear();
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 0) << describe(result);
  EXPECT_TRUE(modules.asked_zips.empty());
}

TEST_F(WithDependencies, ZipsWithBrokenRulesAreMalformedEvenWithTheRightHash) {
  Files entries = module_files(kDeeper, {{"go.mod", "module example.org/deeper\n\ngo 1.21\n"},
                                         {"f.go", "package deeper\n"},
                                         {"../../escape.go", "package evil\n"}});
  modules.zips[kDeeper] = make_zip(entries);
  replace_in("go.sum", zip_h1(kDeeper), h1_of(entries));
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 5) << describe(result);
  EXPECT_NE(find_code(result, "SV304"), nullptr);
}

TEST_F(WithDependencies, ReplacementModulesAreVerifiedByTheirOwnLines) {
  const ModuleVersion fork{"example.org/fork", "v1.0.0"};
  modules.add(fork, {{"go.mod", "module example.org/deeper\n"}, {"f.go", "package deeper\n\nfunc F() {}\n"}});
  files["go.mod"] += "replace example.org/deeper => example.org/fork v1.0.0\n";
  EXPECT_EQ(verify().exit_code(), 4) << "go.sum has no line for the fork yet";
  files["go.sum"] = modules.sum_lines;
  const Verification good = verify();
  EXPECT_EQ(good.exit_code(), 0) << describe(good);
  EXPECT_EQ(good.tree->modules[1].module, fork);
  modules.zips[fork] =
      make_zip(module_files(fork, {{"go.mod", "module example.org/deeper\n"}, {"f.go", "package deeper\n"}}));
  EXPECT_EQ(verify().exit_code(), 3);  // go mod verify passes this
}

TEST_F(WithDependencies, ReplacementDirectoriesInsideAreThePartOfTheSubmission) {
  files["go.mod"] += "replace example.org/deeper => ./local/deeper\n";
  files["local/deeper/go.mod"] = "module example.org/deeper\n";
  files["local/deeper/f.go"] = "package deeper\n\nfunc F() {}\n";
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 0) << describe(result);
  ASSERT_EQ(result.tree->modules.size(), 1u);
}

TEST_F(WithDependencies, ReplacementDirectoriesOutsideAreRefused) {
  for (const char* outside : {"../deeper", "/etc", "./a/../../b", ".."}) {
    files["go.mod"] = go_mod_requiring(
        std::string("require example.org/deeper v0.1.0\nreplace example.org/deeper => ") + outside + "\n");
    const Verification result = verify();
    EXPECT_EQ(result.exit_code(), 6) << outside << "\n" << describe(result);
    EXPECT_EQ(find_code(result, "SV409")->line, 6);
  }
}

TEST_F(WithDependencies, AModuleBelowTheRootMayReplaceItsNeighbour) {
  TestSubmission submission(
      {{"app/go.mod", go_mod_requiring("require example.org/near v0.0.0\nreplace example.org/near => ../near\n")},
       {"app/main.go", "package main\n\nimport _ \"example.org/near\"\n\nfunc main() {}\n"},
       {"near/go.mod", "module example.org/near\n"},
       {"near/near.go", "package near\n"}},
      "./app");
  submission->module = "app";
  const Verification result = verify_or_die(*submission, modules);
  EXPECT_EQ(result.exit_code(), 0) << describe(result);
  EXPECT_TRUE(result.tree.has_value());
}

TEST_F(WithDependencies, OldMainModulesReadTheWholeGraph) {
  files["go.mod"] = go_mod_requiring("require example.org/dep v1.2.0\n", "1.16");
  EXPECT_EQ(verify().exit_code(), 0);
  replace_in("go.sum", "example.org/deeper v0.1.0/go.mod ", "example.org/deeper v0.1.1/go.mod ");
  EXPECT_EQ(verify().exit_code(), 4);
}

TEST_F(WithDependencies, AGraphOnlyGoModWithoutALineIsANote) {
  const ModuleVersion leaf{"example.org/leaf", "v1.0.0"};
  modules.add({"example.org/dep", "v1.3.0"},
              {{"go.mod", "module example.org/dep\n\ngo 1.16\n\nrequire example.org/leaf v1.0.0\n"},
               {"sub/s.go", "package sub\n"}});
  const std::string sum = modules.sum_lines;
  modules.add(leaf, {{"go.mod", "module example.org/leaf\n"}, {"l.go", "package leaf\n"}});
  files["go.mod"] = go_mod_requiring("require example.org/dep v1.3.0\n");
  files["go.sum"] = sum;
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 0) << describe(result);
  EXPECT_NE(find_code(result, "SV605"), nullptr);
  files["go.sum"] = modules.sum_lines;
  modules.go_mods[leaf] += "// tampered\n";
  EXPECT_EQ(verify().exit_code(), 3);
}

TEST_F(WithDependencies, TheHighestRequiredVersionIsSelected) {
  modules.add({"example.org/deeper", "v0.2.0"},
              {{"go.mod", "module example.org/deeper\n"}, {"f.go", "package deeper\n"}});
  files["go.sum"] = modules.sum_lines;
  files["go.mod"] = go_mod_requiring("require example.org/dep v1.2.0\nrequire example.org/deeper v0.2.0\n");
  const Verification result = verify();
  ASSERT_EQ(result.exit_code(), 0) << describe(result);
  EXPECT_EQ(modules.extracted.front(), (ModuleVersion{"example.org/deeper", "v0.2.0"}));
}

TEST_F(WithDependencies, EveryModuleThatCouldProvideThePackageIsVerified) {
  // example.org/dep/sub could come from either; both have to be what go.sum says, as in Go.
  const ModuleVersion nested{"example.org/dep/sub", "v1.0.0"};
  modules.add(nested, {{"go.mod", "module example.org/dep/sub\n"}, {"other/x.go", "package other\n"}});
  files["go.mod"] += "require example.org/dep/sub v1.0.0\n";
  files["go.sum"] = modules.sum_lines;
  EXPECT_EQ(verify().exit_code(), 0);
  modules.zips[nested] =
      make_zip(module_files(nested, {{"go.mod", "module example.org/dep/sub\n"}, {"sub.go", "package sub\n"}}));
  EXPECT_EQ(verify().exit_code(), 3);
}

TEST_F(WithDependencies, ADeclaredPathThatDiffersIsRefused) {
  const ModuleVersion renamed{"example.org/renamed", "v1.0.0"};
  modules.add(renamed, {{"go.mod", "module example.org/original\n"}, {"x.go", "package renamed\n"}});
  files["go.mod"] = go_mod_requiring("require example.org/renamed v1.0.0\n");
  files["main.go"] = "package main\n\nimport _ \"example.org/renamed\"\n\nfunc main() {}\n";
  files["go.sum"] = modules.sum_lines;
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 5) << describe(result);
  EXPECT_THAT(describe(result),
              HasSubstr("module declares its path as: example.org/original but was required as: example.org/renamed"));
}

TEST_F(WithDependencies, ImportsOfTestsCountOnlyWhenTestsAreBuilt) {
  files["main.go"] = kHello;
  files["main_test.go"] = "package main\n\nimport _ \"example.org/absent\"\n";
  EXPECT_EQ(verify().exit_code(), 0);
  options.tests = true;
  EXPECT_EQ(verify().exit_code(), 4);
}

TEST_F(WithDependencies, TagsSelectFiles) {
  files["extra.go"] = "//go:build extra\n\npackage main\n\nimport _ \"example.org/absent\"\n";
  EXPECT_EQ(verify().exit_code(), 0);
  options.tags = {"extra"};
  EXPECT_EQ(verify().exit_code(), 4);
}

TEST_F(WithDependencies, NewerGoThanTheToolchainIsRefused) {
  files["go.mod"] = "module example.org/main\n\ngo 1.99\n";
  files["main.go"] = kHello;
  const Verification result = verify();
  EXPECT_EQ(result.exit_code(), 6) << describe(result);
  EXPECT_EQ(find_code(result, "SV408")->message, "go.mod requires go >= 1.99 (running go 1.26.8; GOTOOLCHAIN=local)");
  files["go.mod"] = "module example.org/main\n\ngo 1.26\ntoolchain go1.99.0\n";
  EXPECT_EQ(verify().exit_code(), 6);
  files["go.mod"] = "module example.org/main\n\ngo 1.26.8\ntoolchain go1.26.8\n";
  EXPECT_EQ(verify().exit_code(), 0);
  files["go.mod"] = "module example.org/main\n\ngo 1.26\ntoolchain go1.26.7-vendor.1\n";
  EXPECT_EQ(verify().exit_code(), 0);
}

TEST_F(WithDependencies, ToolchainLinesThatNameAFileAreMalformedCve202339320) {
  files["main.go"] = kHello;
  for (const char* name : {"go1.21.0-../../bin/evil", "go1.26.8-a\\b", "go1.x", "../bin/evil"}) {
    files["go.mod"] = std::string("module example.org/main\n\ngo 1.26\ntoolchain ") + name + "\n";
    EXPECT_EQ(verify().exit_code(), 5) << name;
  }
}

TEST_F(WithDependencies, ModulePathsThatNoProxyServesAreRefused) {
  for (const char* path : {"example.org/../x", "nodot", "Example.org/x", "example.org/x.", "-x.org/y"}) {
    files["go.mod"] = go_mod_requiring(std::string("require ") + path + " v1.0.0\n");
    EXPECT_EQ(verify().exit_code(), 5) << path;
  }
}

TEST(Verification, TheExitCodeFollowsThePrecedence) {
  using Class = Finding::Class;
  const auto code_of = [](std::vector<Class> classes) {
    Verification verification;
    for (const Class kind : classes) verification.findings.push_back({.kind = kind});
    return verification.exit_code();
  };
  EXPECT_EQ(code_of({Class::missing, Class::limit, Class::policy, Class::malformed, Class::signature, Class::mismatch}),
            3);
  EXPECT_EQ(code_of({Class::missing, Class::limit, Class::policy, Class::malformed, Class::signature}), 8);
  EXPECT_EQ(code_of({Class::missing, Class::limit, Class::policy, Class::malformed}), 5);
  EXPECT_EQ(code_of({Class::missing, Class::limit, Class::policy}), 6);
  EXPECT_EQ(code_of({Class::missing, Class::limit}), 7);
  EXPECT_EQ(code_of({Class::missing, Class::note}), 4);
  EXPECT_EQ(code_of({Class::note}), 4) << "no tree and no reason: not computed";
}

}  // namespace
}  // namespace sandbox_run::sum_verify
