#include "base/directory.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <vector>

#include "base/testing.h"

namespace sandbox_run {
namespace {

using testing::UnorderedElementsAre;

std::vector<std::string> names_in(int directory) {
  std::vector<std::string> names;
  EXPECT_OK(for_each_entry(directory, "d", [&](const dirent& entry) -> Status {
    names.emplace_back(entry.d_name);
    return {};
  }));
  return names;
}

TEST(Directory, EveryEntryIsVisitedEachTime) {
  const TemporaryDirectory dir;
  ASSERT_OK(replace_file(dir.path() + "/a", ""));
  ASSERT_OK(replace_file(dir.path() + "/.b", ""));
  ASSERT_OK(make_directories(dir.path() + "/c/d"));
  ASSERT_OK_AND_ASSIGN(const UniqueFd fd, open_path(dir.path(), O_PATH));
  EXPECT_THAT(names_in(fd.get()), UnorderedElementsAre("a", ".b", "c"));
  EXPECT_THAT(names_in(fd.get()), UnorderedElementsAre("a", ".b", "c")) << "the position is not the descriptor's";
}

TEST(Directory, AFailureEndsTheVisit) {
  const TemporaryDirectory dir;
  for (const char* name : {"/a", "/b", "/c"}) ASSERT_OK(replace_file(dir.path() + name, ""));
  int visited = 0;
  const Status status = for_each_entry(dir.path(), [&](const dirent&) -> Status {
    ++visited;
    return input_error("enough");
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().what, "enough");
  EXPECT_EQ(visited, 1);
}

TEST(Directory, WhatIsNoneIsAnErrorThatNamesIt) {
  const TemporaryDirectory dir;
  const auto nothing = [](const dirent&) -> Status { return {}; };
  const Status absent = for_each_entry(dir.path() + "/absent", nothing);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().sys_errno, ENOENT);
  EXPECT_THAT(absent.error().what, testing::HasSubstr("/absent"));
  ASSERT_OK(replace_file(dir.path() + "/file", ""));
  EXPECT_FALSE(for_each_entry(dir.path() + "/file", nothing));
}

}  // namespace
}  // namespace sandbox_run
