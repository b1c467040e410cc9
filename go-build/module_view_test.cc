#include "go-build/module_view.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run::go_build {
namespace {

namespace fs = std::filesystem;

class ModuleViewTest : public ::testing::Test {
 protected:
  sum_verify::VerifiedModule module(const std::string& path, const std::string& version) {
    sum_verify::VerifiedModule made;
    made.module = {path, version};
    made.tree_path = dir_ + "/store/" + std::to_string(made_++);
    fs::create_directories(made.tree_path + "/sub");
    std::ofstream(made.tree_path + "/sub/x.go") << "package sub\n";
    made.go_mod_path = made.tree_path + "/go.mod";
    std::ofstream(made.go_mod_path) << "module " << path << "\n";
    made.zip_h1 = "h1:zip";
    made.go_mod_h1 = "h1:mod";
    return made;
  }
  std::string read(const std::string& path) {
    auto text = read_file(path, Bytes{4096});
    return text ? *text : "absent: " + path;
  }

  TemporaryDirectory temporary_;
  const std::string dir_ = temporary_.path();
  int made_ = 0;
};

TEST_F(ModuleViewTest, EachModuleIsMountedAndItsHashesStandBesideIt) {
  sum_verify::VerifiedTree tree;
  tree.modules = {module("github.com/Azure/x", "v1.2.3"), module("example.org/only-mod", "v0.1.0")};
  tree.modules[1].tree_path.clear();
  tree.modules[1].go_mod_path.clear();
  ASSERT_OK_AND_ASSIGN(auto mounts, lay_out_modules(tree, dir_ + "/view"));
  ASSERT_EQ(mounts.size(), 2u);
  EXPECT_EQ(mounts[0].target, "/gomod/github.com/!azure/x@v1.2.3");
  EXPECT_EQ(mounts[0].source, tree.modules[0].tree_path);
  EXPECT_EQ(mounts[1].target, "/gomod/cache");
  for (const auto& mount : mounts) EXPECT_FALSE(mount.writable || mount.executable);
  std::string download = dir_ + "/view/cache/download/";
  EXPECT_EQ(read(download + "github.com/!azure/x/@v/v1.2.3.mod"), "module github.com/Azure/x\n");
  EXPECT_EQ(read(download + "github.com/!azure/x/@v/v1.2.3.ziphash"), "h1:zip");
  EXPECT_EQ(read(download + "example.org/only-mod/@v/v0.1.0.mod"), "module example.org/only-mod\n");
  EXPECT_FALSE(fs::exists(download + "example.org/only-mod/@v/v0.1.0.ziphash"));
  struct stat info {};
  ASSERT_EQ(::stat((download + "github.com/!azure/x/@v/v1.2.3.mod").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0444u);
}

TEST_F(ModuleViewTest, MoreModulesThanALaunchCanMountBecomeOneTree) {
  sum_verify::VerifiedTree tree;
  for (int i = 0; i < 200; ++i) tree.modules.push_back(module("example.org/m" + std::to_string(i), "v1.0.0"));
  ASSERT_OK_AND_ASSIGN(auto mounts, lay_out_modules(tree, dir_ + "/view"));
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].target, "/gomod");
  EXPECT_EQ(read(dir_ + "/view/example.org/m199@v1.0.0/sub/x.go"), "package sub\n");
  EXPECT_EQ(read(dir_ + "/view/cache/download/example.org/m0/@v/v1.0.0.ziphash"), "h1:zip");
}

TEST_F(ModuleViewTest, NoModulesNoMountsAndVendoredBuildsSeeNone) {
  sum_verify::VerifiedTree tree;
  ASSERT_OK_AND_ASSIGN(auto none, lay_out_modules(tree, dir_ + "/view"));
  EXPECT_TRUE(none.empty());
  tree.modules = {module("example.org/x", "v1.0.0")};
  tree.vendored = true;
  ASSERT_OK_AND_ASSIGN(auto vendored, lay_out_modules(tree, dir_ + "/view"));
  EXPECT_TRUE(vendored.empty());
}

TEST_F(ModuleViewTest, ANameThatLeavesTheCacheIsRefused) {
  sum_verify::VerifiedTree tree;
  tree.modules = {module("example.org/../../x", "v1.0.0")};
  EXPECT_FALSE(lay_out_modules(tree, dir_ + "/view"));
}

}  // namespace
}  // namespace sandbox_run::go_build
