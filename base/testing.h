// What tests of every room stand on: assertions on Result, whose failure prints the Error's own words; a directory that
// goes with the test; and tables of the documentation, to be compared with the code they describe.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "base/text.h"

#define EXPECT_OK(...)                                                    \
  do {                                                                    \
    auto&& expect_result = (__VA_ARGS__);                                 \
    EXPECT_TRUE(expect_result.has_value()) << expect_result.error().what; \
  } while (0)

#define ASSERT_OK(...)                                                    \
  do {                                                                    \
    auto&& assert_result = (__VA_ARGS__);                                 \
    ASSERT_TRUE(assert_result.has_value()) << assert_result.error().what; \
  } while (0)

// ASSERT_OK_AND_ASSIGN(Type name, expression)
#define ASSERT_OK_AND_ASSIGN(declaration, ...)                          \
  auto SANDBOX_RUN_CONCAT(assert_result_, __LINE__) = (__VA_ARGS__);    \
  ASSERT_TRUE(SANDBOX_RUN_CONCAT(assert_result_, __LINE__).has_value()) \
      << SANDBOX_RUN_CONCAT(assert_result_, __LINE__).error().what;     \
  declaration = std::move(SANDBOX_RUN_CONCAT(assert_result_, __LINE__)).value()

namespace sandbox_run {

// Below TMPDIR or /tmp, mode 0700; it and all that is in it goes at the end, or the test fails.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* parent = std::getenv("TMPDIR");
    path_ = std::string(parent != nullptr && *parent == '/' ? parent : "/tmp") + "/sandbox-run-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TemporaryDirectory() { EXPECT_OK(remove_tree(AT_FDCWD, path_)); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The rows of a Markdown page's tables whose first cell starts with `first`, without the bars at both ends.
inline std::vector<std::string> table_rows(const std::string& markdown, std::string_view first) {
  std::vector<std::string> rows;
  for (std::string_view rest = markdown; !rest.empty();) {
    const std::string_view line = trim(take_line(rest));
    if (line.starts_with("| ") && line.ends_with(" |") && line.substr(2).starts_with(first))
      rows.emplace_back(line.substr(2, line.size() - 4));
  }
  return rows;
}

}  // namespace sandbox_run
