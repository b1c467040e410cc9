#include "fetch/toolchains.h"

#include <sys/stat.h>

#include <filesystem>

#include "base/testing.h"
#include "fetch/test_proxy.h"
#include "store/store.h"
#include "sum-verify/dirhash.h"

namespace sandbox_run::fetch {
namespace {

class ToolchainsTest : public ProxyTest {
 protected:
  void SetUp() override {
    ProxyTest::SetUp();
    toolchain_.h1 = serve("proxy", {"golang.org/toolchain", "v0.0.1-go1.99.1.linux-amd64"},
                          {{"VERSION", "go1.99.1\n"},
                           {"bin/go", "#!\n"},
                           {"pkg/tool/linux_amd64/compile", "#!\n"},
                           {"src/_go.mod", "module std\n"},
                           {"src/cmd/_go.mod", "module cmd\n"},
                           {"src/fmt/print.go", "package fmt\n"}});
  }
  PinnedToolchain toolchain_{"go1.99.1", ""};
};

mode_t mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

TEST_F(ToolchainsTest, AnInstalledToolchainIsExecutableReadOnlyAndListed) {
  auto source = modules(url("proxy"));
  ASSERT_OK_AND_ASSIGN(std::string goroot, install_toolchain(toolchain_, *source, narrator_));
  EXPECT_EQ(goroot, state_ + "/toolchains/go1.99.1");
  EXPECT_EQ(mode_of(goroot + "/bin/go"), 0555u);
  EXPECT_EQ(mode_of(goroot + "/pkg/tool/linux_amd64/compile"), 0555u);
  EXPECT_EQ(mode_of(goroot + "/src/fmt/print.go"), 0444u);
  EXPECT_EQ(mode_of(goroot + "/src"), 0555u);
  EXPECT_EQ(read_file(goroot + "/src/go.mod", Bytes{100}).value(), "module std\n");
  EXPECT_EQ(read_file(goroot + "/src/cmd/go.mod", Bytes{100}).value(), "module cmd\n");
  ASSERT_OK_AND_ASSIGN(std::vector<InstalledToolchain> installed, list_toolchains(state_));
  ASSERT_EQ(installed.size(), 1u);
  EXPECT_EQ(installed[0].version, "go1.99.1");
  EXPECT_EQ(installed[0].goroot, goroot);
  // Installed already: no network.
  EXPECT_OK(install_toolchain(toolchain_, *modules("file:///nowhere"), narrator_));
}

TEST_F(ToolchainsTest, AToolchainThatIsNotThePinnedOneLeavesNothing) {
  toolchain_.h1 = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  EXPECT_FALSE(install_toolchain(toolchain_, *modules(url("proxy")), narrator_));
  EXPECT_EQ(stored_files(), std::vector<std::string>{});
  EXPECT_TRUE(list_toolchains(state_).value().empty());
}

TEST_F(ToolchainsTest, RemoveTakesItAwayUnlessABuildHoldsIt) {
  ASSERT_OK_AND_ASSIGN(std::string goroot, install_toolchain(toolchain_, *modules(url("proxy")), narrator_));
  EXPECT_EQ(remove_toolchain("1.99.2", state_).error().fault, Fault::input);
  ASSERT_OK_AND_ASSIGN(UniqueFd held, store::hold(goroot));
  EXPECT_FALSE(remove_toolchain("1.99.1", state_));
  held.reset();
  EXPECT_OK(remove_toolchain("1.99.1", state_));
  EXPECT_FALSE(std::filesystem::exists(goroot));
}

TEST_F(ToolchainsTest, WhatIsNotPinnedIsRefusedByName) {
  auto refused = install_toolchain("1.18.2", state_, narrator_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::input);
  EXPECT_NE(refused.error().what.find("go1.26.8"), std::string::npos) << refused.error().what;
}

TEST(PinnedToolchains, AreWellFormed) {
  const auto pinned = pinned_toolchains();
  EXPECT_GE(pinned.size(), 3u);
  for (const PinnedToolchain& toolchain : pinned) {
    EXPECT_TRUE(toolchain.version.starts_with("go1."));
    EXPECT_TRUE(sum_verify::is_well_formed_h1(toolchain.h1)) << toolchain.version;
  }
}

}  // namespace
}  // namespace sandbox_run::fetch
