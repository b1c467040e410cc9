#include "base/files.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include <filesystem>
#include <thread>

#include "base/sha256.h"
#include "base/testing.h"

namespace sandbox_run {
namespace {

using namespace unit_literals;

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK_AND_ASSIGN(root_, open_path(dir_, O_RDONLY | O_DIRECTORY)); }
  TemporaryDirectory temporary_;
  const std::string dir_ = temporary_.path();
  UniqueFd root_;
};

TEST_F(FilesTest, ReplaceThenReadGivesTheSameBytes) {
  ASSERT_OK(replace_file(dir_ + "/a", "content"));
  ASSERT_OK_AND_ASSIGN(std::string content, read_file(dir_ + "/a", 1_KiB));
  EXPECT_EQ(content, "content");
}

TEST_F(FilesTest, AFileOverTheLimitIsRefused) {
  ASSERT_OK(replace_file(dir_ + "/a", std::string(1025, 'x')));
  auto content = read_file(dir_ + "/a", 1_KiB);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().sys_errno, EFBIG);
}

TEST_F(FilesTest, RoomOnAFileSystemIsAskedOfTheKernel) {
  ASSERT_OK_AND_ASSIGN(Bytes own, free_space(dir_));
  EXPECT_GT(own.count, 0u);
  ASSERT_OK_AND_ASSIGN(Bytes proc, free_space("/proc"));
  EXPECT_EQ(proc.count, 0u);
  auto missing = free_space(dir_ + "/missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().sys_errno, ENOENT);
  EXPECT_TRUE(is_out_of_space(ENOSPC) && is_out_of_space(EDQUOT));
  EXPECT_FALSE(is_out_of_space(EMFILE));
}

TEST_F(FilesTest, StrictResolutionFollowsNoLinkAndLeavesNoDirectory) {
  std::filesystem::create_symlink("/etc", dir_ + "/link");
  std::filesystem::create_directory(dir_ + "/real");
  ASSERT_OK(replace_file(dir_ + "/real/f", "x"));
  EXPECT_OK(open_beneath(root_.get(), "real/f", O_RDONLY, kResolveStrict));  // control
  EXPECT_FALSE(open_beneath(root_.get(), "link/passwd", O_RDONLY, kResolveStrict));
  EXPECT_FALSE(open_beneath(root_.get(), "../..", O_RDONLY, kResolveStrict));
}

TEST_F(FilesTest, RemoveTreeDoesNotFollowLinks) {
  std::filesystem::create_directories(dir_ + "/t/deep/er");
  std::filesystem::create_directory(dir_ + "/outside");
  std::filesystem::create_directory_symlink(dir_ + "/outside", dir_ + "/t/link");
  ASSERT_OK(replace_file(dir_ + "/outside/keep", "x"));
  ASSERT_OK(remove_tree(root_.get(), "t"));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/t"));
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/outside/keep"));
}

TEST_F(FilesTest, RemoveTreeEmptiesReadOnlyDirectories) {
  std::filesystem::create_directories(dir_ + "/t/a");
  ASSERT_OK(replace_file(dir_ + "/t/a/f", "x", 0444));
  ASSERT_EQ(::chmod((dir_ + "/t/a").c_str(), 0555), 0);
  ASSERT_OK(remove_tree(AT_FDCWD, dir_ + "/t"));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/t"));
}

TEST_F(FilesTest, RemoveTreeStopsAtAMountPoint) {
  std::filesystem::create_directories(dir_ + "/t/mounted");
  std::filesystem::create_directory(dir_ + "/outside");
  ASSERT_OK(replace_file(dir_ + "/outside/keep", "x"));
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << "needs root";
  ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(::mount((dir_ + "/outside").c_str(), (dir_ + "/t/mounted").c_str(), nullptr, MS_BIND, nullptr), 0);
  EXPECT_FALSE(remove_tree(root_.get(), "t"));
  EXPECT_FALSE(remove_tree(AT_FDCWD, dir_ + "/t"));
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/outside/keep"));
  ASSERT_EQ(::umount2((dir_ + "/t/mounted").c_str(), MNT_DETACH), 0);
  EXPECT_OK(remove_tree(root_.get(), "t"));  // control
}

TEST(SealedMemfd, WaitsForAPageThatTheKernelHolds) {
  ASSERT_OK_AND_ASSIGN(const UniqueFd file, executable_memfd("held"));
  ASSERT_OK(write_all(file.get(), "content", "held"));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]), write_end(ends[1]);
  void* page = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file.get(), 0);
  ASSERT_NE(page, MAP_FAILED);
  const iovec content{page, 7};
  ASSERT_EQ(::vmsplice(write_end.get(), &content, 1, 0), 7);
  ::munmap(page, 4096);
  EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE), -1) << "control: the pipe holds it";
  EXPECT_EQ(errno, EBUSY);
  std::thread drain([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    char buffer[7];
    EXPECT_EQ(::read(read_end.get(), buffer, sizeof buffer), 7);
  });
  EXPECT_OK(seal(file.get(), "held"));
  drain.join();
  EXPECT_NE(::fcntl(file.get(), F_GET_SEALS) & F_SEAL_WRITE, 0);
}

TEST(SealedMemfd, CannotBeWrittenAfterwards) {
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, sealed_memfd("test", "content", false));
  EXPECT_LT(::write(fd.get(), "x", 1), 0);
  EXPECT_EQ(errno, EPERM);
}

TEST(Sha256, MatchesTheStandardsVectors) {
  EXPECT_EQ(sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("").base64(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

}  // namespace
}  // namespace sandbox_run
