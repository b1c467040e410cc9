#include "cgroups/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandbox_run::cgroups {
namespace {

using testing::ElementsAre;

TEST(Discovery, FindsV1MountsByControllerNameNotByPath) {
  const auto mounts = parse_mountinfo(
      "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
      "32 31 0:29 / /odd/place rw,relatime shared:7 master:1 - cgroup cgroup rw,cpu,cpuacct\n"
      "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
  ASSERT_EQ(mounts.size(), 3u);
  ASSERT_NE(find_v1(mounts, "cpuacct"), nullptr);
  EXPECT_EQ(find_v1(mounts, "cpuacct")->point, "/odd/place");
  EXPECT_EQ(find_v1(mounts, "cpu"), find_v1(mounts, "cpuacct"));
  EXPECT_EQ(find_v1(mounts, "memory"), nullptr);
  EXPECT_EQ(mounts[2].version, 2);
  EXPECT_EQ(mounts[2].point, "/sys/fs/cgroup/unified");
}

TEST(Discovery, ReadsEscapedAndBoundMounts) {
  const auto mounts = parse_mountinfo("9 1 0:5 /docker/a\\040b /mnt/c\\134d\\0400 rw - cgroup2 cgroup2 rw\n");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].root, "/docker/a b");
  EXPECT_EQ(mounts[0].point, "/mnt/c\\d 0");
}

TEST(Discovery, PassesOverMalformedLines) {
  EXPECT_TRUE(parse_mountinfo("").empty());
  EXPECT_TRUE(parse_mountinfo("garbage\n- cgroup2 x rw\n1 2 3 4 5 6 - cgroup2\n1 2 3 - cgroup2 a b\n\n").empty());
  EXPECT_EQ(parse_mountinfo("1 2 3 / /m rw - cgroup2 none rw").size(), 1u) << "no newline at the end";
}

TEST(Discovery, FindsOurOwnGroup) {
  EXPECT_EQ(parse_own_v2_group("9:pids:/x\n0::/user.slice/a b\n"), "/user.slice/a b");
  EXPECT_EQ(parse_own_v2_group("9:pids:/x\n"), std::nullopt);
}

TEST(Discovery, MapsGroupsToDirectoriesOfAMount) {
  CgroupMount mount{2, "/cg", "/", {}};
  EXPECT_EQ(directory_of(mount, "/"), "/cg");
  EXPECT_EQ(directory_of(mount, "/a/b"), "/cg/a/b");
  EXPECT_EQ(directory_of(mount, "/../other"), std::nullopt);
  mount.root = "/docker/x";
  EXPECT_EQ(directory_of(mount, "/docker/x"), "/cg");
  EXPECT_EQ(directory_of(mount, "/docker/x/y"), "/cg/y");
  EXPECT_EQ(directory_of(mount, "/docker/xy"), std::nullopt);
  EXPECT_EQ(directory_of(mount, "/"), std::nullopt);
}

TEST(Discovery, SplitsWords) { EXPECT_THAT(words("cpu io  memory\n"), ElementsAre("cpu", "io", "memory")); }

}  // namespace
}  // namespace sandbox_run::cgroups
