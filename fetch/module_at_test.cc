#include "fetch/module_at.h"

#include <filesystem>

#include "base/testing.h"
#include "fetch/test_proxy.h"

namespace sandbox_run::fetch {
namespace {

class ModuleAtTest : public ProxyTest {
 protected:
  void SetUp() override {
    ProxyTest::SetUp();
    h1_ = serve("proxy", kModule, {{"go.mod", "module example.org/tool\n"}, {"cmd/run/main.go", "package main\n"}});
  }
  Error refusal(const std::string& query, const std::string& pin, bool unpinned, const std::string& goproxy) {
    auto source = modules(goproxy);
    auto result = module_at(query, pin, unpinned, *source);
    EXPECT_FALSE(result);
    return result ? Error{} : result.error();
  }
  const ModuleVersion kModule{"example.org/tool", "v1.2.3"};
  std::string h1_;
};

TEST_F(ModuleAtTest, APackagePathFindsTheLongestModuleAndEntersTheStoreWithItsPin) {
  {
    auto source = modules(url("proxy"));
    ASSERT_OK_AND_ASSIGN(ModuleAt found, module_at("example.org/tool/cmd/run@v1.2.3", h1_, false, *source));
    EXPECT_EQ(found.module.path, "example.org/tool");
    EXPECT_EQ(found.package, "./cmd/run");
    EXPECT_EQ(found.h1, h1_);
    EXPECT_TRUE(found.pinned);
    EXPECT_TRUE(found.directory.starts_with(state_ + "/modules/"));
    EXPECT_TRUE(std::filesystem::exists(found.directory + "/cmd/run/main.go"));
  }
  auto offline = modules("");
  ASSERT_OK_AND_ASSIGN(ModuleAt again, module_at("example.org/tool/cmd/run@v1.2.3", h1_, false, *offline));
  EXPECT_EQ(again.package, "./cmd/run");
}

TEST_F(ModuleAtTest, ANestedModuleWinsWhereItHasThePackage) {
  const std::string nested = serve("proxy", {"example.org/tool/cmd", "v1.2.3"}, {{"run/main.go", "package main\n"}});
  auto source = modules(url("proxy"));
  ASSERT_OK_AND_ASSIGN(ModuleAt found, module_at("example.org/tool/cmd/run@v1.2.3", nested, false, *source));
  EXPECT_EQ(found.module.path, "example.org/tool/cmd");
  EXPECT_EQ(found.package, "./run");
}

TEST_F(ModuleAtTest, WithoutAPinTheComputedHashIsNamedAndNothingStays) {
  Error error = refusal("example.org/tool/cmd/run@v1.2.3", "", false, url("proxy"));
  EXPECT_EQ(error.fault, Fault::input);
  EXPECT_NE(error.what.find("run again with --pin " + h1_), std::string::npos) << error.what;
  EXPECT_EQ(stored_files(), std::vector<std::string>{});
}

TEST_F(ModuleAtTest, UnpinnedRunsFromAPlaceThatGoesAndNeverEntersTheStore) {
  std::string directory;
  {
    auto source = modules(url("proxy"));
    ASSERT_OK_AND_ASSIGN(ModuleAt found, module_at("example.org/tool/cmd/run@v1.2.3", "", true, *source));
    directory = found.directory;
    EXPECT_FALSE(found.pinned);
    EXPECT_TRUE(std::filesystem::exists(directory + "/cmd/run/main.go"));
    EXPECT_FALSE(std::filesystem::exists(state_ + "/modules"));
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST_F(ModuleAtTest, AWrongPinIsAMismatchAndNothingStays) {
  const std::string other = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  Error error = refusal("example.org/tool/cmd/run@v1.2.3", other, false, url("proxy"));
  EXPECT_NE(error.what.find("checksum mismatch: downloaded " + h1_ + ", --pin " + other), std::string::npos)
      << error.what;
  EXPECT_EQ(stored_files(), std::vector<std::string>{});
  EXPECT_NE(refusal("example.org/tool/cmd/run@v1.2.3", "h1:x", false, url("proxy")).what.find("--pin"),
            std::string::npos);
}

TEST_F(ModuleAtTest, InexactVersionsAreRefusedWithTheExactOneNamed) {
  serve("proxy", {"example.org/tool", "v1.10.0"}, {{"cmd/run/main.go", "package main\n"}});
  write(dir_ + "/proxy/example.org/tool/@latest", "{\"Version\":\"v1.10.0\"}");
  write(dir_ + "/proxy/example.org/tool/@v/list", "v1.2.3\nv1.10.0\nv1.11.0-rc.1\nnonsense\nv2.0.0\n");
  write(dir_ + "/proxy/example.org/tool/@v/main.info", "{\"Version\":\"v1.10.1-0.20260101000000-abcdefabcdef\"}");
  const std::pair<const char*, const char*> cases[] = {
      {"latest", "run again with example.org/tool/cmd/run@v1.10.0"},
      {"v1", "run again with example.org/tool/cmd/run@v1.10.0"},
      {"v1.2", "run again with example.org/tool/cmd/run@v1.2.3"},
      {"main", "@v1.10.1-0.20260101000000-abcdefabcdef"},
      {"v1.2.3+meta", "run again with example.org/tool/cmd/run@v1.2.3"},
      {"v7", "no module proxy of GOPROXY knows such a version"}};
  for (const auto& [version, part] : cases) {
    Error error = refusal(std::string("example.org/tool/cmd/run@") + version, "", true, url("proxy"));
    EXPECT_EQ(error.fault, Fault::input);
    EXPECT_NE(error.what.find(part), std::string::npos) << error.what;
  }
  EXPECT_NE(refusal("example.org/tool@latest", "", true, "").what.find("--fetch"), std::string::npos);
}

TEST_F(ModuleAtTest, WhatIsNotThereIsSaidSo) {
  EXPECT_NE(refusal("example.org/tool/cmd/run@v1.2.3", h1_, false, "").what.find("run again with --fetch"),
            std::string::npos);
  EXPECT_NE(refusal("example.org/absent@v1.0.0", h1_, false, url("proxy"))
                .what.find("no module proxy of GOPROXY has example.org/absent@v1.0.0"),
            std::string::npos);
  EXPECT_NE(refusal("example.org/tool/cmd/absent@v1.2.3", h1_, false, url("proxy"))
                .what.find("has no Go files in that directory"),
            std::string::npos);
  EXPECT_NE(refusal("example.org/tool@v3.0.0", h1_, false, url("proxy")).what.find("no part of that path"),
            std::string::npos);
  for (const char* query : {"example.org/tool", "@v1.0.0", "example.org/tool@", "example.org/../x@v1.0.0"})
    EXPECT_EQ(refusal(query, h1_, false, url("proxy")).fault, Fault::input) << query;
}

TEST_F(ModuleAtTest, AZipCutShortIsRefused) {
  const std::string zip = dir_ + "/proxy/example.org/tool/@v/v1.2.3.zip";
  for (std::uintmax_t size = 0; size < std::filesystem::file_size(zip); size += 37) {
    const std::string cut = dir_ + "/cut/example.org/tool/@v/v1.2.3.zip";
    write(cut, read_file(zip, Bytes{1 << 20}).value().substr(0, size));
    refusal("example.org/tool/cmd/run@v1.2.3", h1_, false, url("cut"));
  }
  EXPECT_EQ(stored_files(), std::vector<std::string>{});
}

}  // namespace
}  // namespace sandbox_run::fetch
