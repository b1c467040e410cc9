#include "base/path.h"

#include <gtest/gtest.h>

namespace sandbox_run {
namespace {

TEST(Path, IsTakenApartAtItsLastSlash) {
  const struct {
    const char *path, *parent, *directory, *base;
  } rows[] = {{"a", ".", "", "a"},       {"a/b", "a", "a", "b"}, {"/a", "/", "", "a"},
              {"/a/b", "/a", "/a", "b"}, {"", ".", "", ""},      {"a/", "a", "a", ""}};
  for (const auto& row : rows) {
    EXPECT_EQ(parent_of(row.path), row.parent) << row.path;
    EXPECT_EQ(directory_part(row.path), row.directory) << row.path;
    EXPECT_EQ(base_name(row.path), row.base) << row.path;
  }
}

TEST(Path, IsBelowByWholeElements) {
  EXPECT_TRUE(is_at_or_below("a", "a"));
  EXPECT_TRUE(is_at_or_below("a/b", "a"));
  EXPECT_FALSE(is_at_or_below("ab", "a"));
  EXPECT_FALSE(is_at_or_below("a", "a/b"));
}

}  // namespace
}  // namespace sandbox_run
