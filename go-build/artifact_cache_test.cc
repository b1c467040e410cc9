#include "go-build/artifact_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "base/testing.h"

namespace sandbox_run::go_build {
namespace {

namespace fs = std::filesystem;

class ArtifactCacheTest : public ::testing::Test {
 protected:
  SealedProgram program(const std::string& content) {
    std::ofstream(dir_ + "/source") << content;
    auto file = open_path(dir_ + "/source", O_RDONLY);
    auto sealed = seal_program(file->get(), Bytes{1 << 20});
    EXPECT_TRUE(sealed) << sealed.error().what;
    return std::move(*sealed);
  }
  bool has(const ArtifactCache& cache, const Sha256Digest& key) {
    auto found = cache.find(key);
    EXPECT_TRUE(found) << found.error().what;
    return found && found->has_value();
  }
  std::string content_of(const SealedProgram& sealed) {
    std::string content(sealed.size.count, '\0');
    EXPECT_EQ(::pread(sealed.program.get(), content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
    return content;
  }

  TemporaryDirectory temporary_;
  const std::string dir_ = temporary_.path();
  Sha256Digest key_ = sha256("key");
};

TEST_F(ArtifactCacheTest, WhatIsKeptIsFoundSealedAndTheSame) {
  ArtifactCache cache(dir_ + "/state");
  EXPECT_FALSE(has(cache, key_));
  ASSERT_OK(cache.keep(key_, program("a program")));
  ASSERT_OK_AND_ASSIGN(auto found, cache.find(key_));
  ASSERT_TRUE(found);
  EXPECT_EQ(content_of(*found), "a program");
  EXPECT_EQ(found->sha256, sha256("a program"));
  EXPECT_EQ(::pwrite(found->program.get(), "x", 1, 0), -1) << "the memfd is not sealed";
  EXPECT_FALSE(has(cache, sha256("another key")));
}

TEST_F(ArtifactCacheTest, ADamagedEntryIsDroppedNeverRun) {
  ArtifactCache cache(dir_ + "/state");
  const std::string content = "a program";
  for (std::size_t at = 0; at < content.size(); ++at) {
    ASSERT_OK(cache.keep(key_, program(content)));
    std::string path = cache.entry_path(key_) + "/program";
    ::chmod(path.c_str(), 0600);
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(at));
      file.put(static_cast<char>(content[at] ^ 1));
    }
    EXPECT_FALSE(has(cache, key_)) << "byte " << at;
    EXPECT_FALSE(fs::exists(cache.entry_path(key_)));
  }
  for (const char* missing : {"program", "sha256"}) {
    ASSERT_OK(cache.keep(key_, program(content)));
    fs::remove(cache.entry_path(key_) + "/" + missing);
    EXPECT_FALSE(has(cache, key_)) << missing;
  }
  ASSERT_OK(cache.keep(key_, program(content)));
  fs::resize_file(cache.entry_path(key_) + "/program", 3);
  EXPECT_FALSE(has(cache, key_));
  ASSERT_OK(cache.keep(key_, program(content)));  // control: the same key is good again
  EXPECT_TRUE(has(cache, key_));
}

TEST_F(ArtifactCacheTest, WithoutADescriptorLeftTheEntryStays) {
  ArtifactCache cache(dir_ + "/state");
  ASSERT_OK(cache.keep(key_, program("a program")));
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // The lowest free number is what the next open gets; `more` of them may still be had.
  UniqueFd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (int more = 0; more < 3; ++more) {
    struct rlimit few = before;
    few.rlim_cur = static_cast<rlim_t>(next.get()) + 1 + static_cast<rlim_t>(more);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    auto found = cache.find(key_);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(found) << more;
    EXPECT_EQ(found.error().sys_errno, EMFILE) << found.error().what;
    EXPECT_EQ(found.error().fault, Fault::host);
    EXPECT_TRUE(fs::exists(cache.entry_path(key_) + "/program"));
  }
  EXPECT_TRUE(has(cache, key_));  // control
}

TEST_F(ArtifactCacheTest, TheSizeIsCapped) {
  ArtifactCache cache(dir_ + "/state");
  for (int i = 0; i < 8; ++i)
    ASSERT_OK(cache.keep(sha256(std::to_string(i)), program(std::string(64 << 10, static_cast<char>('a' + i))),
                         Bytes{256 << 10}));
  int kept = 0;
  for (int i = 0; i < 8; ++i) {
    kept += has(cache, sha256(std::to_string(i)));
  }
  EXPECT_GE(kept, 1);
  EXPECT_LE(kept, 4);
}

TEST_F(ArtifactCacheTest, AFileLargerThanTheCapIsNotSealed) {
  std::ofstream(dir_ + "/big") << std::string(4096, 'x');
  ASSERT_OK_AND_ASSIGN(UniqueFd file, open_path(dir_ + "/big", O_RDONLY));
  auto sealed = seal_program(file.get(), Bytes{4095});
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().sys_errno, EFBIG);
  EXPECT_OK(seal_program(file.get(), Bytes{4096}));  // control
}

}  // namespace
}  // namespace sandbox_run::go_build
