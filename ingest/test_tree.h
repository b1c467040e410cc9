// test_tree: temporary trees and snapshots for this room's tests.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/narrator.h"
#include "base/testing.h"
#include "ingest/ingest.h"

namespace sandbox_run::ingest {

// A temporary directory with input/ (what is submitted) and work/ (the workspace), removed at the end.
class TreeTest : public testing::Test {
 protected:
  TreeTest() {
    EXPECT_OK(make_directories(input()));
    request_.sources = {input()};
  }

  std::string input(const std::string& path = "") const { return top_ + "/input" + (path.empty() ? "" : "/" + path); }

  void put(const std::string& path, const std::string& content, mode_t mode = 0644) const {
    const std::string full = input(path);
    EXPECT_OK(make_directories(full.substr(0, full.rfind('/'))));
    EXPECT_OK(replace_file(full, content, mode));
    EXPECT_EQ(::chmod(full.c_str(), mode), 0);
  }

  Result<Submission> take() {
    const std::string workspace = top_ + "/work" + std::to_string(++runs_);
    EXPECT_EQ(::mkdir(workspace.c_str(), 0700), 0);
    return snapshot(request_, workspace, narrator_);
  }
  Result<Submission> take(const std::vector<std::string>& sources) {
    request_.sources = sources;
    return take();
  }

  // "" where the submission is accepted, else the message; a refusal must be the submitter's fault.
  std::string refusal() {
    auto result = take();
    if (result) return "";
    EXPECT_EQ(result.error().fault, Fault::input) << result.error().what;
    return result.error().what;
  }

  static std::vector<std::string> paths(const Submission& submission) {
    std::vector<std::string> all;
    for (const SubmittedFile& file : submission.files) all.push_back(file.path);
    return all;
  }

  static std::string content(const Submission& submission, const std::string& path) {
    auto text = read_file(submission.snapshot_path + "/" + path, Bytes{1u << 30});
    EXPECT_OK(text);
    return text ? *text : "";
  }

  TemporaryDirectory temporary_;
  const std::string top_ = temporary_.path();
  Request request_;
  SilentNarrator narrator_;
  int runs_ = 0;
};

}  // namespace sandbox_run::ingest
