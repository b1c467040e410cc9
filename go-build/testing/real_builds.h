// RealBuilds: a fixture for tests that build for real. It needs root and a toolchain, and takes the time of one `go
// build std` (about 20 s) when SANDBOX_RUN_TEST_STATE does not name a state directory that has been used before.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "base/testing.h"
#include "go-build/build.h"
#include "store/store.h"

namespace sandbox_run::go_build {

using Files = std::map<std::string, std::string>;

inline constexpr char kGoMod[] = "module example.org/app\n\ngo 1.25\n";

class RealBuilds : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(::geteuid(), 0u) << "these tests make sandboxes and need root";
    if (const char* kept = std::getenv("SANDBOX_RUN_TEST_STATE")) {
      state_ = kept;
    } else {
      own_state_ = std::make_unique<TemporaryDirectory>();
      state_ = own_state_->path();
    }
    (void)store::RunDirectory::remove_orphans(state_);  // of a run that was killed in a state directory used before
    auto host = launch::Host::open();
    ASSERT_TRUE(host) << host.error().what;
    host_ = std::move(*host).release();
    auto toolchain = find_toolchain("", state_);
    ASSERT_TRUE(toolchain) << toolchain.error().what;
    toolchain_ = *toolchain;
  }
  static void TearDownTestSuite() {
    delete host_;
    host_ = nullptr;
    own_state_.reset();
  }

  void SetUp() override {
    ASSERT_NE(host_, nullptr);
    mounts_before_ = count_lines("/proc/self/mounts");
  }
  // Leftovers: every build of every test, failed or not, ends with nothing of it on the machine.
  void TearDown() override {
    EXPECT_EQ(count_lines("/proc/self/mounts"), mounts_before_);
    EXPECT_TRUE(!std::filesystem::exists(state_ + "/run") || std::filesystem::is_empty(state_ + "/run"))
        << "a run directory was left";
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child was left";
  }
  static std::size_t count_lines(const char* path) {
    std::ifstream file(path);
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(file), {}, '\n'));
  }

  // A snapshot as ingest makes one: files 0444, directories 0555, sorted, hashed.
  ingest::Submission submit(const Files& files, const std::string& package = ".") {
    ingest::Submission submission;
    submission.snapshot_path = dir_ + "/src" + std::to_string(submissions_++);
    std::filesystem::create_directories(submission.snapshot_path);
    for (const auto& [path, content] : files) {
      std::filesystem::create_directories(std::filesystem::path(submission.snapshot_path + "/" + path).parent_path());
      std::ofstream(submission.snapshot_path + "/" + path) << content;
      submission.files.push_back({path, Bytes{content.size()}, sha256(content)});
    }
    EXPECT_TRUE(store::make_read_only(submission.snapshot_path));
    submission.root.reset(::open(submission.snapshot_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    submission.has_go_mod = files.contains("go.mod");
    submission.package = package;
    submission.name = "test";
    return submission;
  }

  Request request() {
    Request made;
    made.state_directory = state_;
    made.host = host_;
    made.use_artifact_cache = false;
    return made;
  }

  Result<BuildOutcome> try_build(const Files& files, const Request& request, const sum_verify::VerifiedTree& tree = {},
                                 const std::string& package = ".") {
    auto submission = submit(files, package);
    SilentNarrator silent;
    return build(submission, tree, toolchain_, request, silent);
  }
  BuildOutcome must_build(const Files& files, const Request& request, const sum_verify::VerifiedTree& tree = {},
                          const std::string& package = ".") {
    auto outcome = try_build(files, request, tree, package);
    EXPECT_TRUE(outcome) << outcome.error().what;
    if (!outcome) return {};
    EXPECT_TRUE(outcome->artifact) << outcome->failure.message << "\n" << outcome->failure.output;
    return std::move(*outcome);
  }
  static std::string bytes_of(const Artifact& artifact) {
    std::string content(artifact.size.count, '\0');
    EXPECT_EQ(::pread(artifact.program.get(), content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
    return content;
  }

  static inline std::string state_;
  static inline std::unique_ptr<TemporaryDirectory> own_state_;
  static inline launch::Host* host_ = nullptr;
  static inline Toolchain toolchain_;
  TemporaryDirectory temporary_;
  const std::string dir_ = temporary_.path();
  std::size_t mounts_before_ = 0;
  int submissions_ = 0;
};

}  // namespace sandbox_run::go_build
