#include "go-build/toolchain.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run::go_build {
namespace {

namespace fs = std::filesystem;

// Sets an environment variable until the end of the scope.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    if (value)
      ::setenv(name, value, 1);
    else
      ::unsetenv(name);
  }
  ~Environment() {
    if (old_)
      ::setenv(name_, old_->c_str(), 1);
    else
      ::unsetenv(name_);
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

class ToolchainTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::chmod(dir_.c_str(), 0755), 0); }

  // A GOROOT with everything that is looked at; its programs are this test's own shell-free stand-ins.
  std::string make_goroot(const std::string& name, const std::string& version) {
    std::string root = dir_ + "/" + name;
    fs::create_directories(root + "/bin");
    fs::create_directories(root + "/pkg/tool/linux_amd64");
    fs::create_directories(root + "/src");
    std::ofstream(root + "/VERSION") << version << "\ntime 2026-08-28T16:20:06Z\n";
    for (const char* program :
         {"bin/go", "pkg/tool/linux_amd64/compile", "pkg/tool/linux_amd64/link", "pkg/tool/linux_amd64/asm"}) {
      std::ofstream(root + "/" + program) << "program";
      ::chmod((root + "/" + program).c_str(), 0755);
    }
    return root;
  }

  TemporaryDirectory temporary_;
  const std::string dir_ = temporary_.path();
};

TEST(GoVersion, ParsesReleasesAndOrdersThem) {
  struct Row {
    const char* text;
    bool good;
  };
  for (const Row& row : {Row{"go1.26.8", true},
                         {"1.26", true},
                         {"go1.27rc1", true},
                         {"go1.22.2-1ubuntu", true},
                         {"devel go1.28-abc", false},
                         {"", false},
                         {"go", false},
                         {"go1", false},
                         {"1.x", false},
                         {"1.26.8x", false},
                         {"01.2", false},
                         {"1.26rc", false},
                         {"1.26rc1x", false},
                         {"1.26.", false},
                         {"1.99999999999", false}})
    EXPECT_EQ(GoVersion::parse(row.text).has_value(), row.good) << row.text;
  const char* ordered[] = {"1.25.13", "1.26beta1", "1.26rc1", "1.26rc2", "1.26.0", "1.26.6", "1.26.10", "1.27", "2.0"};
  for (std::size_t i = 0; i + 1 < std::size(ordered); ++i)
    EXPECT_LT(*GoVersion::parse(ordered[i]), *GoVersion::parse(ordered[i + 1])) << ordered[i];
}

TEST(GoVersion, TheFloorLetsOnlyFixedReleasesBuild) {
  for (const char* refused : {"1.19.8", "1.24.99", "1.25.12", "1.26.0", "1.26.5", "1.26rc3", "1.27rc2"})
    EXPECT_TRUE(below_security_floor(*GoVersion::parse(refused))) << refused;
  for (const char* good : {"1.25.13", "1.25.14", "1.26.6", "1.26.8", "1.27.0", "1.27", "1.28.1", "2.0.0"})
    EXPECT_FALSE(below_security_floor(*GoVersion::parse(good))) << good;
}

TEST_F(ToolchainTest, AnExplicitGorootIsInspected) {
  ASSERT_OK_AND_ASSIGN(Toolchain toolchain, find_toolchain(make_goroot("go", "go1.26.8"), dir_));
  EXPECT_EQ(toolchain.version, "go1.26.8");
  EXPECT_EQ(toolchain.number(), "1.26.8");
}

TEST_F(ToolchainTest, BelowTheFloorIsRefusedWithTheReasonAndTheRemedy) {
  Environment goroot("SANDBOX_RUN_GOROOT", make_goroot("go", "go1.26.5").c_str());
  auto toolchain = find_toolchain("", dir_);
  ASSERT_FALSE(toolchain);
  EXPECT_EQ(toolchain.error().fault, Fault::host);
  EXPECT_NE(toolchain.error().what.find("security floor"), std::string::npos) << toolchain.error().what;
  EXPECT_NE(toolchain.error().what.find("sandbox-run toolchain install"), std::string::npos) << toolchain.error().what;
}

TEST_F(ToolchainTest, AVersionThatNobodyCanInstallIsNoAdvice) {
  for (const char* old : {"1.2", "1.24", "1.24.9", "go1.25.12", "1.26.5", "1.27rc1"}) {
    auto toolchain = find_toolchain(old, dir_);
    ASSERT_FALSE(toolchain) << old;
    EXPECT_EQ(toolchain.error().fault, Fault::input) << old;
    EXPECT_EQ(toolchain.error().what.find("toolchain install"), std::string::npos) << toolchain.error().what;
  }
  for (const char* good : {"1.25", "1.26", "1.26.7", "1.99"}) {
    auto toolchain = find_toolchain(good, dir_);
    if (toolchain) continue;  // the host has it
    EXPECT_NE(toolchain.error().what.find(std::string("toolchain install ") + good), std::string::npos)
        << toolchain.error().what;
  }
}

TEST_F(ToolchainTest, AGorootThatOthersMayWriteToIsRefused) {
  std::string root = make_goroot("go", "go1.26.8");
  ASSERT_OK(inspect_goroot(root));  // control
  for (const char* name : {"", "/bin", "/src", "/bin/go", "/pkg/tool/linux_amd64/compile"}) {
    mode_t mode = fs::is_directory(root + name) || *name ? 0755 : 0644;
    ::chmod((root + name).c_str(), 0777);
    auto refused = inspect_goroot(root);
    EXPECT_FALSE(refused) << name;
    if (!refused) {
      EXPECT_NE(refused.error().what.find("writable by everyone"), std::string::npos) << refused.error().what;
    }
    ::chmod((root + name).c_str(), mode);
  }
  ASSERT_OK(inspect_goroot(root));
}

TEST_F(ToolchainTest, AGorootOfAnotherUserIsRefused) {
  ASSERT_EQ(::geteuid(), 0u) << "needs root to give files away";
  std::string root = make_goroot("go", "go1.26.8");
  ASSERT_EQ(::chown((root + "/bin/go").c_str(), 12345, 12345), 0);
  auto refused = inspect_goroot(root);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("12345"), std::string::npos) << refused.error().what;
}

TEST_F(ToolchainTest, TheNewestInstalledOneIsTakenWhereNoneIsNearer) {
  Environment none("SANDBOX_RUN_GOROOT", nullptr);
  Environment path("PATH", "/nonexistent");
  make_goroot("toolchains/go1.25.13", "go1.25.13");
  make_goroot("toolchains/go1.26.10", "go1.26.10");
  make_goroot("toolchains/go1.26.9", "go1.26.9");
  make_goroot("toolchains/.unfinished", "go1.27.1");
  ASSERT_OK_AND_ASSIGN(Toolchain newest, find_toolchain("", dir_));
  EXPECT_EQ(newest.version, "go1.26.10");
  ASSERT_OK_AND_ASSIGN(Toolchain minor, find_toolchain("1.25", dir_));
  EXPECT_EQ(minor.version, "go1.25.13");
  ASSERT_OK_AND_ASSIGN(Toolchain exact, find_toolchain("1.26.9", dir_));
  EXPECT_EQ(exact.version, "go1.26.9");
  EXPECT_FALSE(find_toolchain("1.26.8", dir_));
  auto bad = find_toolchain("newest", dir_);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().fault, Fault::input);
}

TEST_F(ToolchainTest, PathsGoIsFoundThroughLinks) {
  Environment none("SANDBOX_RUN_GOROOT", nullptr);
  std::string root = make_goroot("go", "go1.26.8");
  fs::create_directories(dir_ + "/usr/bin");
  fs::create_symlink(root + "/bin/go", dir_ + "/usr/bin/go");
  Environment path("PATH", ("relative:" + dir_ + "/empty:" + dir_ + "/usr/bin").c_str());
  ASSERT_OK_AND_ASSIGN(Toolchain toolchain, find_toolchain("", dir_ + "/state"));
  EXPECT_EQ(toolchain.goroot, fs::canonical(root).string());
}

TEST_F(ToolchainTest, LinksThatLeaveTheGorootAreFollowedToWhereTheyLeadInside) {
  std::string root = make_goroot("usr/lib/go-1.26", "go1.26.8");
  fs::create_directories(dir_ + "/usr/share/go-1.26/src");
  fs::create_directories(dir_ + "/usr/share/go-1.26/include");
  fs::remove(root + "/src");
  fs::create_symlink("../../share/go-1.26/src", root + "/src");
  fs::create_symlink(dir_ + "/usr/share/go-1.26/include", root + "/pkg/include");
  fs::create_symlink("bin", root + "/within");
  fs::create_symlink("nowhere", root + "/dangling");
  ASSERT_OK_AND_ASSIGN(auto linked, linked_directories(fs::canonical(root), "/goroot"));
  ASSERT_EQ(linked.size(), 2u);
  EXPECT_EQ(linked[0].target, "/share/go-1.26/src");
  EXPECT_EQ(linked[1].target, dir_ + "/usr/share/go-1.26/include");
  EXPECT_EQ(linked[0].source, fs::canonical(dir_ + "/usr/share/go-1.26/src").string());
  ::chmod((dir_ + "/usr/share/go-1.26/src").c_str(), 0777);
  EXPECT_FALSE(linked_directories(fs::canonical(root), "/goroot"));
}

TEST_F(ToolchainTest, IdentityChangesWithTheCompiler) {
  std::string root = make_goroot("go", "go1.26.8");
  ASSERT_OK_AND_ASSIGN(Toolchain toolchain, inspect_goroot(root));
  ASSERT_OK_AND_ASSIGN(std::string before, identity(toolchain));
  ASSERT_OK_AND_ASSIGN(std::string again, identity(toolchain));
  EXPECT_EQ(before, again);
  std::ofstream(root + "/pkg/tool/linux_amd64/compile") << "another program";
  ASSERT_OK_AND_ASSIGN(std::string after, identity(toolchain));
  EXPECT_NE(before, after);
}

}  // namespace
}  // namespace sandbox_run::go_build
