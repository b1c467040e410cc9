#include "sum-verify/module_path.h"

#include <gtest/gtest.h>

#include "base/testing.h"
#include "sum-verify/module_cache.h"
#include "sum-verify/semver.h"

namespace sandbox_run::sum_verify {
namespace {

TEST(ModulePath, PathsThatAProxyCanServe) {
  for (const char* good :
       {"x.y/z", "github.com/Azure/azure-sdk", "example.com/a/v2", "gopkg.in/yaml.v3", "gopkg.in/yaml.v0",
        "gopkg.in/check.v1-unstable", "a.b", "x-y.z/_a", "x.y/z~a", "x.y/a.b.c"}) {
    EXPECT_OK(check_module_path(good));
  }
}

TEST(ModulePath, PathsThatNoneCan) {
  for (const char* bad : {"",
                          "/x.y",
                          "x.y/",
                          "x.y//z",
                          "xy/z",
                          "-x.y/z",
                          "X.y/z",
                          "x.y/.git",
                          "x.y/..",
                          "x.y/../z",
                          "x.y/z.",
                          "x.y/con",
                          "x.y/CoM1.txt",
                          "x.y/lpt9",
                          "x.y/z~1",
                          "x.y/a b",
                          "x.y/a+b",
                          "x.y/a@v1",
                          "x.y/\xff",
                          "x.y/é",
                          "x.y/v1",
                          "x.y/v0",
                          "x.y/v02",
                          "x.y/v2.3",
                          "gopkg.in/yaml",
                          "gopkg.in/yaml.v01",
                          "x.y/a\nb",
                          "x.y/a:b",
                          "x_y.z/a",
                          "x.y/a\\b"}) {
    EXPECT_FALSE(check_module_path(bad).has_value()) << bad;
  }
}

TEST(ModulePath, ImportPathsNeedNoDotAndMayHaveAPlus) {
  for (const char* good : {"fmt", "hello/world", "x.y/c++", "a/v1"}) EXPECT_OK(check_import_path(good));
  for (const char* bad : {"", "./x", "../x", "/x", "x/", "a//b", "a b", "a/..", "-a", "a/nul", "a~1"}) {
    EXPECT_FALSE(check_import_path(bad).has_value()) << bad;
  }
}

TEST(ModulePath, FileNames) {
  for (const char* good :
       {"a.go", "sub/a b.txt", ".gitignore", "a!#$%&()+,-.=@[]^_{}~.x", "é/ß.go", "日本.go", "-x", "a~1"}) {
    EXPECT_OK(check_file_path(good));
  }
  for (const char* bad : {"",     "a//b", "/a",   "a/",  "..",  "a/../b",  "a.",      "a*b",   "a?b",     "a:b", "a|b",
                          "a\\b", "a'b",  "a\"b", "a<b", "a`b", "nul.txt", "sub/AUX", "a\x01", "a\u00a0", "\xff"}) {
    EXPECT_FALSE(check_file_path(bad).has_value()) << bad;
  }
}

TEST(ModulePath, VersionsMatchTheMajorOfThePath) {
  using Cases = std::vector<ModuleVersion>;
  for (const auto& [path, version] : Cases{{"a.b/c", "v1.2.3"},
                                           {"a.b/c", "v0.0.0-20200101000000-abcdefabcdef"},
                                           {"a.b/c", "v2.0.0+incompatible"},
                                           {"a.b/c/v2", "v2.1.0"},
                                           {"gopkg.in/x.v1", "v1.0.0"},
                                           {"gopkg.in/x.v1", "v0.0.0-20200101000000-abcdefabcdef"}}) {
    EXPECT_OK(check_module_version({path, version}));
  }
  for (const auto& [path, version] : Cases{{"a.b/c", "v2.0.0"},
                                           {"a.b/c/v2", "v1.0.0"},
                                           {"a.b/c/v2", "v3.0.0"},
                                           {"a.b/c", "1.2.3"},
                                           {"a.b/c", "v1.2"},
                                           {"a.b/c", "v1.2.3+meta"},
                                           {"a.b/c", "v01.2.3"},
                                           {"a.b/c", "v1.2.3-01"},
                                           {"a.b/c", "v1.0.0/../../x"},
                                           {"a.b/c", ""}}) {
    EXPECT_FALSE(check_module_version({path, version}).has_value()) << path << "@" << version;
  }
}

TEST(Semver, OrdersAsTheSpecificationDoes) {
  const char* ordered[] = {"bad",         "v1.0.0-alpha",  "v1.0.0-alpha.1", "v1.0.0-alpha.beta",
                           "v1.0.0-beta", "v1.0.0-beta.2", "v1.0.0-beta.11", "v1.0.0-rc.1",
                           "v1.0.0",      "v1.2",          "v1.10.0",        "v2.0.0-0"};
  for (std::size_t i = 0; i < std::size(ordered); ++i) {
    for (std::size_t j = 0; j < std::size(ordered); ++j) {
      const int order = compare_semver(ordered[i], ordered[j]);
      EXPECT_EQ(order < 0, i < j) << ordered[i] << " " << ordered[j];
      EXPECT_EQ(order == 0, i == j) << ordered[i] << " " << ordered[j];
    }
  }
  EXPECT_EQ(compare_semver("v1.0.0+a", "v1.0.0+b"), 0);
}

TEST(ModuleCache, UppercaseIsEscapedAndBackAgain) {
  EXPECT_EQ(escape_path("github.com/Azure/SDK").value(), "github.com/!azure/!s!d!k");
  EXPECT_EQ(unescape_path("github.com/!azure/!s!d!k").value(), "github.com/Azure/SDK");
  for (const char* bad :
       {"github.com/Azure", "github.com/!Azure", "github.com/a!", "github.com/!!a", "github.com/!1", "../x.y"}) {
    EXPECT_FALSE(unescape_path(bad).has_value()) << bad;
  }
  EXPECT_EQ(escape_version("v1.0.0-RC1").value(), "v1.0.0-!r!c1");
  EXPECT_FALSE(escape_version("v1/../../x").has_value());
  EXPECT_FALSE(escape_version("v1.0.0!").has_value());
}

TEST(ModuleCache, PathsNeverLeaveTheCache) {
  EXPECT_EQ(cache_path({"a.b/C", "v1.0.0"}, CacheFile::zip).value(), "cache/download/a.b/!c/@v/v1.0.0.zip");
  EXPECT_EQ(proxy_path({"a.b/C", "v1.0.0"}, CacheFile::mod).value(), "a.b/!c/@v/v1.0.0.mod");
  EXPECT_EQ(cache_tree_path({"a.b/C", "v1.0.0"}).value(), "a.b/!c@v1.0.0");
  EXPECT_FALSE(cache_path({"a.b/../../etc", "v1.0.0"}, CacheFile::zip).has_value());
  EXPECT_FALSE(cache_path({"a.b/c", "../v1"}, CacheFile::zip).has_value());
}

TEST(ModulePath, CaseFoldsAsGoFolds) {
  EXPECT_EQ(fold_case("README.md"), fold_case("readme.MD"));
  EXPECT_EQ(fold_case("stra\u017fe"), fold_case("strase"));  // long s
  EXPECT_EQ(fold_case("\u212a"), fold_case("k"));            // Kelvin sign
  EXPECT_EQ(fold_case("\u03a3\u03c2"), fold_case("\u03c3\u03c3"));
  EXPECT_NE(fold_case("\u00df"), fold_case("ss"));  // simple folding only
}

}  // namespace
}  // namespace sandbox_run::sum_verify
