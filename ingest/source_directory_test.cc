#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <atomic>
#include <thread>

#include "ingest/test_tree.h"

namespace sandbox_run::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Directory : public TreeTest {};

TEST_F(Directory, SnapshotEqualsTheTreeAndIsReadOnly) {
  put("go.mod", "module m\n");
  put("main.go", "package main\nfunc main() {}\n");
  put("cmd/a/main.go", "package main\n");
  put("data/empty", "");
  put("data/large", std::string(1 << 20, 'x') + "end");
  put("tool.sh", "#!/bin/sh\n", 04755);
  ASSERT_OK_AND_ASSIGN(Submission submission, take());
  EXPECT_THAT(paths(submission),
              ElementsAre("cmd/a/main.go", "data/empty", "data/large", "go.mod", "main.go", "tool.sh"));
  for (const SubmittedFile& file : submission.files) {
    ASSERT_OK_AND_ASSIGN(const std::string original, read_file(input(file.path), Bytes{1u << 30}));
    EXPECT_EQ(content(submission, file.path), original);
    EXPECT_EQ(file.sha256, sha256(original));
    EXPECT_EQ(file.size.count, original.size());
    struct stat info {};
    ASSERT_EQ(::stat((submission.snapshot_path + "/" + file.path).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0444u) << file.path;
  }
  for (const char* directory : {"", "/cmd", "/cmd/a", "/data"}) {
    struct stat info {};
    ASSERT_EQ(::stat((submission.snapshot_path + directory).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0555u) << directory;
  }
  EXPECT_TRUE(submission.has_go_mod);
  EXPECT_EQ(submission.package, ".");
  EXPECT_EQ(submission.total_bytes().count, 9u + 28 + 13 + 0 + (1 << 20) + 3 + 10);
  EXPECT_THAT(submission.dropped, IsEmpty());
}

TEST_F(Directory, EqualTreesHaveEqualDigestsAndOtherOnesNot) {
  put("a.go", "package main\n");
  ASSERT_OK_AND_ASSIGN(Submission first, take());
  ASSERT_OK_AND_ASSIGN(Submission second, take());
  EXPECT_EQ(first.tree_digest(), second.tree_digest());
  put("a.go", "package mail\n");
  ASSERT_OK_AND_ASSIGN(Submission third, take());
  EXPECT_FALSE(first.tree_digest() == third.tree_digest());
}

TEST_F(Directory, NearestParentGoModIsTheRoot) {
  put("go.mod", "module m\n");
  put("go.work", "go 1.26\n");
  put("cmd/tool/main.go", "package main\n");
  ASSERT_OK_AND_ASSIGN(Submission submission, take({input("cmd/tool/")}));
  EXPECT_EQ(submission.package, "./cmd/tool");
  EXPECT_THAT(paths(submission), ElementsAre("cmd/tool/main.go", "go.mod", "go.work"));
  EXPECT_THAT(submission.dropped, ElementsAre(HasSubstr("ignored go.work")));
}

TEST_F(Directory, RootFlagTakesAHigherTopAndTheModuleIsNamedInIt) {
  put("app/go.mod", "module app\n");
  put("app/cmd/main.go", "package main\n");
  put("lib/go.mod", "module lib\n");
  request_.root = input();
  ASSERT_OK_AND_ASSIGN(Submission submission, take({input("app/cmd")}));
  EXPECT_EQ(submission.package, "./app/cmd");
  EXPECT_EQ(submission.module, "app");
  EXPECT_TRUE(submission.has_go_mod);
  EXPECT_THAT(paths(submission), ElementsAre("app/cmd/main.go", "app/go.mod", "lib/go.mod"));
  request_.root = input("lib");
  EXPECT_THAT(refusal(), HasSubstr("--root"));
}

TEST_F(Directory, WildcardIsKept) {
  put("go.mod", "module m\n");
  put("a/a.go", "package a\n");
  ASSERT_OK_AND_ASSIGN(Submission submission, take({input("a/...")}));
  EXPECT_EQ(submission.package, "./a/...");
}

TEST_F(Directory, VersionControlDataIsDroppedAndSaid) {
  put("main.go", "package main\n");
  put(".git/config", "[core]\n\tfsmonitor = evil\n");
  put("third/.git", "gitdir: /elsewhere\n");
  put("third/CVS/Entries", "x");
  put(".gitignore", "x\n");
  put("cvs/cvs.go", "package cvs\n");
  ASSERT_EQ(::symlink("/etc", input(".hg").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(Submission submission, take());
  EXPECT_THAT(paths(submission), ElementsAre(".gitignore", "cvs/cvs.go", "main.go"));
  EXPECT_THAT(submission.dropped,
              ElementsAre("dropped .git: version control data", "dropped .hg: version control data",
                          "dropped third/.git: version control data", "dropped third/CVS: version control data"));
}

TEST_F(Directory, SymbolicLinksAreRefusedByNameAndControlTheFileItselfIsAccepted) {
  put("main.go", "package main\n");
  ASSERT_EQ(::symlink("main.go", input("link.go").c_str()), 0);
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("link.go"), HasSubstr("symbolic link")));
  ASSERT_EQ(::unlink(input("link.go").c_str()), 0);
  ASSERT_EQ(::symlink("/etc", input("sub").c_str()), 0);
  EXPECT_THAT(refusal(), HasSubstr("symbolic link"));
  ASSERT_EQ(::unlink(input("sub").c_str()), 0);
  EXPECT_EQ(refusal(), "");
}

TEST_F(Directory, ASymbolicLinkAsGoModIsRefusedNotFollowed) {
  put("main.go", "package main\n");
  ASSERT_EQ(::symlink("/etc/hostname", input("go.mod").c_str()), 0);
  EXPECT_THAT(refusal(), HasSubstr("go.mod"));
}

TEST_F(Directory, FifosSocketsAndDevicesAreRefusedWithoutBlocking) {
  put("main.go", "package main\n");
  ASSERT_EQ(::mkfifo(input("pipe").c_str(), 0644), 0);
  EXPECT_THAT(refusal(), HasSubstr("\"pipe\": it is a FIFO"));
  ASSERT_EQ(::unlink(input("pipe").c_str()), 0);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{AF_UNIX, {}};
  const std::string at = input("socket");
  at.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_THAT(refusal(), HasSubstr("\"socket\": it is a socket"));
  ASSERT_EQ(::unlink(at.c_str()), 0);
  if (::mknod(input("null").c_str(), S_IFCHR | 0644, makedev(1, 3)) == 0) {
    EXPECT_THAT(refusal(), HasSubstr("\"null\": it is a device"));
    ASSERT_EQ(::unlink(input("null").c_str()), 0);
  }
  EXPECT_EQ(refusal(), "");
}

TEST_F(Directory, HardLinksOfOneOwnerAreOrdinaryAndOfAnotherRefused) {
  put("main.go", "package main\n");
  ASSERT_EQ(::link(input("main.go").c_str(), input("other.txt").c_str()), 0);
  EXPECT_EQ(refusal(), "");
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to make files of two owners";
  ASSERT_EQ(::chown(input("main.go").c_str(), 12345, 12345), 0);
  EXPECT_THAT(refusal(), HasSubstr("hard link"));
}

TEST_F(Directory, EachCapRefusesNamesItsFlagAndIsInclusive) {
  put("a/b/c.go", "package c\n");
  put("main.go", "package main\n");
  request_.limits = {2, Bytes{23}, 3, 7};
  EXPECT_EQ(refusal(), "");
  request_.limits = {1, Bytes{23}, 3, 7};
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("more than 1"), HasSubstr("--max-files")));
  request_.limits = {2, Bytes{22}, 3, 7};
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("22 B"), HasSubstr("--max-bytes"), HasSubstr("main.go")));
  request_.limits = {2, Bytes{23}, 2, 7};
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("more than 2 components"), HasSubstr("--max-depth")));
  request_.limits = {2, Bytes{23}, 3, 6};
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("7 bytes"), HasSubstr("--max-name 6")));
}

TEST_F(Directory, ASparseFileMeetsTheCapByItsSizeBeforeItIsRead) {
  put("main.go", "package main\n");
  put("big.bin", "");
  ASSERT_EQ(::truncate(input("big.bin").c_str(), off_t{1} << 41), 0);
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("big.bin"), HasSubstr("--max-bytes")));
}

TEST_F(Directory, ADeepTreeIsRefusedBeforeDescriptorsRunOut) {
  std::string path;
  for (int i = 0; i < 200; ++i) path += "d/";
  put(path + "x.go", "package x\n");
  EXPECT_THAT(refusal(), HasSubstr("--max-depth"));
}

TEST_F(Directory, FilesThatChangeWhileTheyAreReadAreRefused) {
  put("main.go", "package main\n");
  put("log", std::string(48 << 20, 'x'));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    UniqueFd fd(::open(input("log").c_str(), O_WRONLY | O_CLOEXEC));
    while (!stop) {
      EXPECT_EQ(::pwrite(fd.get(), "y", 1, 0), 1);
      ::usleep(500);
    }
  });
  const std::string message = refusal();
  stop = true;
  writer.join();
  EXPECT_THAT(message, testing::AllOf(HasSubstr("\"log\""), HasSubstr("changed while it was read")));
  EXPECT_EQ(refusal(), "");
}

TEST_F(Directory, MissingAndEmptySourcesSayWhatWasLookedFor) {
  EXPECT_THAT(refusal(), HasSubstr("holds no files"));
  request_.sources = {input("nothing")};
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("nothing"), HasSubstr("No such file"), HasSubstr(".tar.gz")));
  request_.sources = {};
  EXPECT_THAT(refusal(), HasSubstr("no SOURCE"));
}

TEST_F(Directory, CollidingNamesAreRefused) {
  put("a/Main.go", "package main\n");
  put("a/main.go", "package main\n");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("a/Main.go"), HasSubstr("a/main.go"), HasSubstr("collide")));
}

class GoFiles : public TreeTest {};

TEST_F(GoFiles, ASingleFileKeepsItsNameAndStandsAlone) {
  put("hello.go", "package main\n");
  put("other.go", "package main\n");
  ASSERT_OK_AND_ASSIGN(Submission submission, take({input("hello.go")}));
  EXPECT_EQ(submission.name, "hello.go");
  EXPECT_FALSE(submission.has_go_mod);
  EXPECT_THAT(paths(submission), ElementsAre("hello.go"));
  EXPECT_THAT(submission.go_files, ElementsAre("hello.go"));
}

TEST_F(GoFiles, InsideAModuleTheModuleComesAlongWithoutTheFilesNotNamed) {
  put("go.mod", "module m\n");
  put("lib/lib.go", "package lib\n");
  put("cmd/a/a.go", "package main\n");
  put("cmd/a/more.go", "package main\n");
  put("cmd/a/page.html", "<p>\n");
  ASSERT_OK_AND_ASSIGN(Submission submission, take({input("cmd/a/a.go")}));
  EXPECT_THAT(paths(submission), ElementsAre("cmd/a/a.go", "cmd/a/page.html", "go.mod", "lib/lib.go"));
  EXPECT_THAT(submission.go_files, ElementsAre("cmd/a/a.go"));
  EXPECT_EQ(submission.package, "./cmd/a");
  EXPECT_THAT(submission.dropped, ElementsAre(HasSubstr("not named")));
}

TEST_F(GoFiles, FilesOfSeveralDirectoriesAreCollected) {
  put("x/solution.go", "package main\n");
  put("y/grader.go", "package main\n");
  put("y/go.mod", "module m\n");
  ASSERT_OK_AND_ASSIGN(Submission submission, take({input("x/solution.go"), input("y/grader.go"), input("y/go.mod")}));
  EXPECT_THAT(paths(submission), ElementsAre("go.mod", "grader.go", "solution.go"));
  EXPECT_TRUE(submission.has_go_mod);
  put("y/solution.go", "package main\n");
  request_.sources = {input("x/solution.go"), input("y/solution.go")};
  EXPECT_THAT(refusal(), HasSubstr("twice"));
}

TEST_F(GoFiles, ALinkIsRefusedAndMixturesAreExplained) {
  put("real.go", "package main\n");
  ASSERT_EQ(::symlink("real.go", input("link.go").c_str()), 0);
  request_.sources = {input("link.go")};
  EXPECT_THAT(refusal(), HasSubstr("symbolic link"));
  request_.sources = {input("real.go"), input()};
  EXPECT_THAT(refusal(), HasSubstr("cannot be combined"));
  request_.sources = {input("real.go"), "-"};
  EXPECT_THAT(refusal(), HasSubstr("standard input"));
}

TEST_F(GoFiles, ModuleVersionsAreRecognised) {
  EXPECT_TRUE(is_module_version("github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"));
  EXPECT_TRUE(is_module_version("example.org/x@latest"));
  for (const char* source : {"main.go", "user@host", "a.b/c@", "@v1", "./a.b@v1", "a.b/c d@v1", "../x.y@v1.0.0"})
    EXPECT_FALSE(is_module_version(source)) << source;
  request_.sources = {"example.org/x@v1.0.0"};
  EXPECT_THAT(refusal(), HasSubstr("--fetch"));
}

}  // namespace
}  // namespace sandbox_run::ingest
