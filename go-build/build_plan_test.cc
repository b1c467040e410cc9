#include "go-build/build_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "go-build/go_command.h"

namespace sandbox_run::go_build {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

BuildPaths some_paths() {
  BuildPaths paths;
  paths.goroot = "/usr/local/go";
  paths.source = "/state/run/x/src";
  paths.std_cache = "/state/std/y/cache";
  paths.output_file = "/state/run/x/program";
  return paths;
}

TEST(BuildPlan, TheBuildLineIsTheReferences) {
  EXPECT_THAT(build_command({}, {}, 2).arguments,
              ElementsAre("go", "build", "-trimpath", "-buildvcs=false", "-pgo=off", "-mod=readonly",
                          "-ldflags=-linkmode=internal -buildid= -s -w", "-o", "/out/program", "."));
  BuildTarget target;
  target.package = "./cmd/tool";
  target.vendored = true;
  target.tags = {"a", "b.c"};
  target.symbols = true;
  EXPECT_THAT(build_command(target, {}, 2).arguments,
              ElementsAre("go", "build", "-trimpath", "-buildvcs=false", "-pgo=off", "-mod=vendor",
                          "-ldflags=-linkmode=internal -buildid=", "-tags=a,b.c", "-o", "/out/program", "./cmd/tool"));
}

TEST(BuildPlan, FilesAndTestBinariesHaveTheirForms) {
  BuildTarget target;
  target.files = {"main.go", "-o.go"};
  auto files = build_command(target, {}, 2).arguments;
  EXPECT_EQ(files[files.size() - 2], "./main.go");
  EXPECT_EQ(files.back(), "./-o.go") << "a name must never be read as a flag";
  target = {};
  target.test_binary = true;
  auto test = build_command(target, {}, 2).arguments;
  EXPECT_EQ(test[1], "test");
  EXPECT_EQ(test[2], "-c");
}

TEST(BuildPlan, TheEnvironmentIsClosed) {
  auto environment = build_command({}, {}, 2).environment;
  for (const char* needed : {"GOENV=off", "GOTOOLCHAIN=local", "GOWORK=off", "GOPROXY=off", "GOSUMDB=off",
                             "GOFLAGS=", "GOVCS=*:off", "GOAUTH=off", "GO111MODULE=on", "CGO_ENABLED=0"})
    EXPECT_THAT(environment, Contains(needed));
  for (const auto& entry : environment) EXPECT_THAT(entry, Not(HasSubstr("HOME="))) << entry;
}

TEST(BuildPlan, OnlyMemoryAndOneFileAreWritable) {
  auto plan = build_plan(some_paths(), {}, "id", 1234);
  std::vector<std::string> writable;
  for (const auto& mount : plan.mounts)
    if (auto* bind = std::get_if<launch::BindMount>(&mount); bind && bind->writable) writable.push_back(bind->target);
  EXPECT_THAT(writable, ElementsAre("/out/program"));
  for (const auto& mount : plan.mounts) {
    if (auto* bind = std::get_if<launch::BindMount>(&mount)) {
      EXPECT_EQ(bind->executable, bind->target == "/goroot");
    }
    if (auto* memory = std::get_if<launch::TmpfsMount>(&mount)) {
      EXPECT_FALSE(memory->executable);
    }
  }
  EXPECT_EQ(plan.network, launch::Network::none);
  EXPECT_EQ(plan.profile_name, "go-build");
}

TEST(BuildPlan, ThePrivateCacheLayerHasWhatTheGoCommandWritesTo) {
  auto plan = build_plan(some_paths(), {}, "id", 1234);
  const launch::OverlayMount* cache = nullptr;
  for (const auto& mount : plan.mounts)
    if (auto* overlay = std::get_if<launch::OverlayMount>(&mount)) cache = overlay;
  ASSERT_NE(cache, nullptr);
  ASSERT_EQ(cache->upper_directories.size(), 256u);
  EXPECT_EQ(cache->upper_directories.front(), "00");
  EXPECT_EQ(cache->upper_directories.back(), "ff");
  ASSERT_EQ(cache->upper_files.size(), 1u);
  EXPECT_EQ(cache->upper_files[0].first, "trim.txt");
  EXPECT_EQ(cache->upper_files[0].second, "1234");
}

TEST(BuildPlan, LimitsReachThePlanAndScratchIsOnTop) {
  Limits limits;
  limits.output = Bytes{10 << 20};
  limits.memory = Bytes{100 << 20};
  limits.processes = 7;
  auto plan = build_plan(some_paths(), limits, "id", 0);
  EXPECT_EQ(plan.rlimits.file_size, limits.output);
  EXPECT_EQ(plan.memory, limits.memory);
  EXPECT_EQ(plan.scratch.count, 2 * limits.output.count);
  EXPECT_EQ(plan.cgroup.memory.count, plan.memory.count + plan.scratch.count);
  EXPECT_EQ(plan.cgroup.processes, 7u);
  EXPECT_EQ(plan.cpu_time, limits.cpu_time);
  EXPECT_EQ(plan.wall_time, limits.wall_time);
}

TEST(BuildPlan, EverythingThatChangesTheBinaryChangesItsDescription) {
  std::vector<BuildTarget> targets(9);
  targets[1].package = "./a";
  targets[2].files = {"a.go", "b.go"};
  targets[3].files = {"a.go b.go"};
  targets[4].vendored = true;
  targets[5].tags = {"t"};
  targets[6].symbols = true;
  targets[7].test_binary = true;
  targets[8].directory = "a";
  for (std::size_t i = 0; i < targets.size(); ++i)
    for (std::size_t j = i + 1; j < targets.size(); ++j)
      EXPECT_NE(describe(targets[i]), describe(targets[j])) << i << j;
}

launch::Facts failed() {
  launch::Facts facts;
  facts.status = launch::ProgramStatus{true, 1, 0};
  facts.stderr_stream.captured = "# x\n./main.go:3:5: undefined: y\n./main.go:4:5: undefined: z\n";
  facts.stderr_stream.bytes = facts.stderr_stream.captured.size();
  return facts;
}

TEST(ReadFailure, ACompileErrorIsNoLimit) {
  auto failure = read_failure(failed(), {});
  EXPECT_EQ(failure.limit, BuildFailure::Limit::none);
  EXPECT_EQ(failure.message, "main.go:3:5: undefined: y (and 1 more)");
  EXPECT_EQ(failure.diagnostics.size(), 2u);
}

TEST(ReadFailure, EachLimitIsNamedWithItsFlag) {
  struct Row {
    BuildFailure::Limit limit;
    const char* flag;
    void (*change)(launch::Facts&);
  };
  using L = BuildFailure::Limit;
  using E = launch::EndedBySupervisor;
  const Row rows[] = {
      {L::cpu_time, "--build-cpu-time", [](launch::Facts& f) { f.ended = E::cpu_time; }},
      {L::wall_time, "--build-wall-time", [](launch::Facts& f) { f.ended = E::wall_time; }},
      {L::memory, "--build-memory", [](launch::Facts& f) { f.ended = E::memory; }},
      {L::memory, "--build-memory", [](launch::Facts& f) { f.usage.oom_kills = 1; }},
      {L::processes, "--build-pids", [](launch::Facts& f) { f.usage.process_limit_hits = 3; }},
      {L::output, "--build-output", [](launch::Facts& f) { f.scratch_full = true; }},
      {L::output, "--build-output",
       [](launch::Facts& f) { f.stderr_stream.captured = "link: signal: file size limit exceeded\n"; }},
      {L::output, "messages", [](launch::Facts& f) { f.ended = E::output; }},
  };
  for (const Row& row : rows) {
    auto facts = failed();
    row.change(facts);
    auto failure = read_failure(facts, {});
    EXPECT_EQ(failure.limit, row.limit) << row.flag;
    EXPECT_THAT(failure.message, HasSubstr(row.flag));
    ASSERT_FALSE(failure.diagnostics.empty());
    EXPECT_EQ(failure.diagnostics[0].code, "GB005");
  }
}

TEST(ReadFailure, AnEndWithoutAWordStillSaysSomething) {
  launch::Facts facts;
  facts.status = launch::ProgramStatus{false, 0, 11};
  EXPECT_THAT(read_failure(facts, {}).message, HasSubstr("signal 11"));
  facts = {};
  EXPECT_FALSE(read_failure(facts, {}).message.empty());
}

}  // namespace
}  // namespace sandbox_run::go_build
