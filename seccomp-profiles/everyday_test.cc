// Real Go under the profiles: the go command builds testdata/everyday under go-build, and what it built runs under
// go-run and go-run-loopback. Nothing of it is denied. Needs a Go toolchain on PATH or in SANDBOX_RUN_GOROOT.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "base/testing.h"
#include "seccomp-profiles/filter.h"
#include "seccomp-profiles/testing/supervise.h"

namespace sandbox_run::seccomp_profiles {
namespace {

using ::testing::HasSubstr;

struct Ran {
  testing::SupervisedRun run;
  std::string output;
};

Result<Ran> run(const std::string& profile_name, const std::vector<std::string>& argv) {
  TRY(const Profile profile, Profile::load(profile_name));
  const UniqueFd output(memfd_create("output", MFD_CLOEXEC));
  if (!output) return host_error(errno, "memfd_create");
  testing::SuperviseOptions options;
  options.patience = std::chrono::seconds(600);  // a cold build of net/http on a busy machine
  options.output_fd = output.get();
  options.exec_once = profile.exec_once;
  Ran ran;
  TRY(ran.run, testing::supervise(*builtin_filter(profile_name), argv, options));
  if (lseek(output.get(), 0, SEEK_SET) != 0) return host_error(errno, "lseek");
  TRY(ran.output, read_to_end(output.get(), Bytes{1 << 20}, "the program's output"));
  return ran;
}

std::string go_command() {
  if (const char* root = std::getenv("SANDBOX_RUN_GOROOT")) return std::string(root) + "/bin/go";
  std::string path = std::getenv("PATH") != nullptr ? std::getenv("PATH") : "";
  path += ":/usr/local/go/bin";
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find(':', start), path.size());
    const std::string candidate = path.substr(start, end - start) + "/go";
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    start = end + 1;
  }
  return {};
}

class Everyday : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    temporary_ = std::make_unique<TemporaryDirectory>();
    directory_ = temporary_->path();
    const std::string source = SANDBOX_RUN_SOURCE_DIR "/seccomp-profiles/testdata/everyday";
    std::filesystem::copy(source, directory_ + "/source", std::filesystem::copy_options::recursive);
    // A file that no build cache has seen: the compiler runs every time, not only the linker.
    ASSERT_OK(replace_file(directory_ + "/source/stamp.go",
                           "package main\n\nconst stamp = \"" + directory_ + "\"\n\nvar _ = stamp\n"));
  }
  static void TearDownTestSuite() { temporary_.reset(); }

  static void build() {
    if (access((directory_ + "/everyday").c_str(), X_OK) == 0) return;
    const std::string go = go_command();
    ASSERT_FALSE(go.empty()) << "no go command on PATH; install Go or set SANDBOX_RUN_GOROOT";
    setenv("CGO_ENABLED", "0", 1);
    setenv("GOPROXY", "off", 1);
    setenv("GOTOOLCHAIN", "local", 1);
    setenv("GOFLAGS", "-buildvcs=false", 1);
    ASSERT_OK_AND_ASSIGN(const Ran built, run("go-build", {go, "build", "-C", directory_ + "/source", "-o",
                                                           directory_ + "/everyday", "."}));
    ASSERT_TRUE(WIFEXITED(built.run.wait_status));
    EXPECT_EQ(WEXITSTATUS(built.run.wait_status), 0) << built.output;
    EXPECT_EQ(built.run.describe_denied(), "");
  }

  static std::unique_ptr<TemporaryDirectory> temporary_;
  static std::string directory_;
};
std::unique_ptr<TemporaryDirectory> Everyday::temporary_;
std::string Everyday::directory_;

TEST_F(Everyday, TheGoCommandBuildsAndNothingIsDenied) {
  build();
  EXPECT_EQ(access((directory_ + "/everyday").c_str(), X_OK), 0);
}

TEST_F(Everyday, AnOrdinaryProgramRunsAndNothingIsDenied) {
  build();
  ASSERT_OK_AND_ASSIGN(const Ran ran, run("go-run", {directory_ + "/everyday"}));
  EXPECT_EQ(ran.output, "everyday: ok\n");
  EXPECT_EQ(ran.run.describe_denied(), "");
}

TEST_F(Everyday, LoopbackSocketsWorkWithTheLoopbackProfile) {
  build();
  ASSERT_OK_AND_ASSIGN(const Ran ran, run("go-run-loopback", {directory_ + "/everyday", "loopback"}));
  EXPECT_EQ(ran.output, "everyday: ok\n");
  EXPECT_EQ(ran.run.describe_denied(), "");
}

TEST_F(Everyday, ControlTheSameSocketsAreDeniedAndNamedWithoutIt) {
  build();
  ASSERT_OK_AND_ASSIGN(const Ran ran, run("go-run", {directory_ + "/everyday", "loopback"}));
  EXPECT_THAT(ran.output, HasSubstr("operation not permitted"));
  EXPECT_THAT(ran.run.describe_denied(), HasSubstr("socket(0x2"));
}

TEST_F(Everyday, ASecondExecIsDeniedAndNamed) {
  ASSERT_OK_AND_ASSIGN(const Ran ran, run("generic", {"/usr/bin/env", "/bin/true"}));
  EXPECT_NE(ran.run.wait_status, 0);
  EXPECT_THAT(ran.run.describe_denied(), HasSubstr("execve("));
}

TEST_F(Everyday, ADynamicProgramRunsUnderGenericAndNothingIsDenied) {
  const std::vector<std::vector<std::string>> programs = {{"/usr/bin/sort", "/etc/passwd"},
                                                          {"/usr/bin/diff", "/etc/passwd", "/etc/passwd"},
                                                          {"/bin/sh", "-c", "echo $((6*7)); exit 0"}};
  for (const std::vector<std::string>& argv : programs) {
    ASSERT_OK_AND_ASSIGN(const Ran ran, run("generic", argv));
    EXPECT_EQ(ran.run.wait_status, 0) << argv[0] << ": " << ran.output;
    EXPECT_EQ(ran.run.describe_denied(), "") << argv[0];
  }
}

}  // namespace
}  // namespace sandbox_run::seccomp_profiles
