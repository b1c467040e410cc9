#include "launch/scratch_scan.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run::launch {
namespace {

namespace fs = std::filesystem;

class ScratchScan : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK_AND_ASSIGN(root_, open_path(dir_, O_PATH | O_DIRECTORY)); }
  // Sparse: only its size counts.
  void file(const std::string& path, std::uintmax_t size) {
    fs::create_directories(fs::path(dir_ + "/" + path).parent_path());
    std::ofstream(dir_ + "/" + path).put('x');
    fs::resize_file(dir_ + "/" + path, size);
  }
  bool found() const { return has_file_of_size(root_.get(), Bytes{4096}); }
  TemporaryDirectory temporary_;
  const std::string dir_ = temporary_.path();
  UniqueFd root_;
};

TEST_F(ScratchScan, AFileAtTheSizeIsFoundWhereverItStands) {
  EXPECT_FALSE(found());
  file("a", 4095);
  file("b/c/d", 100);
  EXPECT_FALSE(found());
  file("b/c/e", 4096);
  EXPECT_TRUE(found());
  fs::remove(dir_ + "/b/c/e");
  EXPECT_FALSE(found());
  file("a", 4097);
  EXPECT_TRUE(found());
}

TEST_F(ScratchScan, NoLinkIsFollowed) {
  fs::create_directory_symlink("/usr/lib", dir_ + "/directory");
  fs::create_symlink("/proc/self/exe", dir_ + "/file");
  EXPECT_FALSE(found());
}

TEST_F(ScratchScan, AMazeIsLeftAlone) {
  std::string deep = "d";
  for (int i = 0; i < 70; ++i) deep += "/d";
  file(deep + "/big", 4096);
  EXPECT_FALSE(found());
  file("d/d/d/big", 4096);  // control
  EXPECT_TRUE(found());
}

}  // namespace
}  // namespace sandbox_run::launch
