// Builds programs with hooks for real: as build_test, in the same state directory.
#include "go-build/hooked_build.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "base/files.h"
#include "base/testing.h"
#include "go-build/build.h"
#include "go-build/std_cache.h"
#include "go-build/testing/real_builds.h"
#include "store/entries.h"
#include "store/store.h"

namespace sandbox_run::go_build {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr char kOpens[] =
    "package main\n\nimport (\"fmt\"; \"os\")\n\nfunc main() {\n\t_, err := "
    "os.Open(\"/nonexistent\")\n\tfmt.Println(err)\n}\n";

// rules.json with one rule; the hash stands for the rule, as hooks::to_json has it.
Hooks hooks_at(const std::string& function, const std::string& input = "") {
  Hooks hooks;
  hooks.rules_file = "rules.yaml";
  hooks.rules_json =
      R"({"version":1,"file":"rules.yaml","rules":[{"index":0,"name":"r","line":3,"at":{"function":")" + function +
      R"("},"advice":{"kind":"record","arguments":[],"results":[],"duration":true},"inputs":[)" +
      (input.empty() ? "" : "\"" + input + "\"") + R"(],"hash":")" + sha256(function + input).hex() + "\"}]}";
  return hooks;
}

class HookedBuildTest : public RealBuilds {
 protected:
  static void SetUpTestSuite() {
    RealBuilds::SetUpTestSuite();
    for (const char* made : {"/hook-plans", "/hooked-std"}) fs::remove_all(state_ + made);
  }

  Request request(Hooks hooks) {
    Request made = RealBuilds::request();
    made.hooks = std::move(hooks);
    return made;
  }
  BuildOutcome build_of(const std::string& text, const Request& request) {
    auto outcome = try_build({{"go.mod", kGoMod}, {"main.go", text}}, request);
    EXPECT_TRUE(outcome) << outcome.error().what;
    return outcome ? std::move(*outcome) : BuildOutcome{};
  }
  Artifact must_build(const std::string& text, const Request& request) {
    BuildOutcome outcome = build_of(text, request);
    EXPECT_TRUE(outcome.artifact) << outcome.failure.message << "\n" << outcome.failure.output;
    return outcome.artifact ? std::move(*outcome.artifact) : Artifact{};
  }

  std::vector<std::string> entries(const std::string& kind) {
    auto names = store::entry_names(state_ + "/" + kind);
    EXPECT_TRUE(names);
    return names ? *names : std::vector<std::string>{};
  }
};

TEST_F(HookedBuildTest, AChangedProgramIsReplayedAndChangedRulesArePlannedAnew) {
  const Artifact first = must_build(kOpens, request(hooks_at("os.OpenFile")));
  EXPECT_TRUE(first.replayed);
  EXPECT_THAT(bytes_of(first), HasSubstr("os.sandboxSite_0"));
  const auto plans = entries("hook-plans"), libraries = entries("hooked-std");
  ASSERT_EQ(plans.size(), 1u);
  ASSERT_EQ(libraries.size(), 1u);
  const Artifact changed = must_build(std::string(kOpens) + "\nvar Changed = 1\n", request(hooks_at("os.OpenFile")));
  EXPECT_TRUE(changed.replayed);
  EXPECT_THAT(bytes_of(changed), HasSubstr("os.sandboxSite_0"));
  EXPECT_EQ(entries("hook-plans"), plans) << "a changed program has the same standard library";
  EXPECT_EQ(entries("hooked-std"), libraries);
  const Artifact other = must_build(kOpens, request(hooks_at("os.Open")));
  EXPECT_TRUE(other.replayed);
  EXPECT_THAT(bytes_of(other), HasSubstr("os.sandboxSite_0"));
  EXPECT_EQ(entries("hook-plans").size(), 2u) << "other rules: another plan";
  EXPECT_EQ(entries("hooked-std").size(), 2u) << "and another standard library";
  const Artifact main_only = must_build(kOpens, request(hooks_at("main.main")));
  EXPECT_TRUE(main_only.replayed);
  EXPECT_THAT(bytes_of(main_only), HasSubstr("main.sandboxSite_0"));
  EXPECT_EQ(entries("hooked-std").size(), 2u) << "nothing of the standard library is hooked";
}

TEST_F(HookedBuildTest, TheGoCommandMakesTheSameProgramOfTheSameLibrary) {
  Request with = request(hooks_at("os.OpenFile"));
  const Artifact replayed = must_build(kOpens, with);
  const auto libraries = entries("hooked-std");
  with.use_shortcuts = false;
  const Artifact built = must_build(kOpens, with);
  EXPECT_TRUE(replayed.replayed);
  EXPECT_FALSE(built.replayed);
  EXPECT_EQ(entries("hooked-std"), libraries) << "both ways come to one standard library";
  EXPECT_THAT(bytes_of(built), HasSubstr("os.sandboxSite_0"));
  EXPECT_EQ(replayed.notes, built.notes);
}

class SeveralPackages : public HookedBuildTest {
 protected:
  BuildOutcome build_several(const Request& with, Files changed = {}) {
    changed.merge(
        Files{{"go.mod", kGoMod},
              {"main.go",
               "package main\n\nimport (\"fmt\"; \"os\"; \"example.org/app/inner\")\n\nfunc main() {\n\t_, err := "
               "os.Open(\"/nonexistent\")\n\tfmt.Println(err, inner.Shout(\"x\"))\n}\n"},
              {"inner/inner.go",
               "package inner\n\nimport \"strings\"\n\nfunc Shout(s string) string {\n\treturn "
               "strings.ToUpper(s)\n}\n\n//go:nosplit\nfunc small() {}\n"},
              {"inner/inner_test.go",
               "package inner\n\nimport \"testing\"\n\nfunc TestShout(t *testing.T) {\n\tt.Log("
               "Shout(\"x\"))\n}\n"}});
    auto outcome = try_build(changed, with, tree_, with.test_binary ? "./inner" : ".");
    EXPECT_TRUE(outcome) << outcome.error().what;
    return outcome ? std::move(*outcome) : BuildOutcome{};
  }
  Artifact must_build(const Files& files, const Request& with) {
    auto outcome = try_build(files, with);
    EXPECT_TRUE(outcome && outcome->artifact) << (outcome ? outcome->failure.message : outcome.error().what);
    return outcome && outcome->artifact ? std::move(*outcome->artifact) : Artifact{};
  }
  Artifact must_build_several(const Request& with) {
    BuildOutcome outcome = build_several(with);
    EXPECT_TRUE(outcome.artifact) << outcome.failure.message << "\n" << outcome.failure.output;
    return outcome.artifact ? std::move(*outcome.artifact) : Artifact{};
  }

  sum_verify::VerifiedTree tree_ = [] {
    sum_verify::VerifiedTree tree;
    tree.standard_imports = {"example", "fmt", "os", "strings"};  // the first is none
    return tree;
  }();
};

TEST_F(SeveralPackages, AreHeldAgainstTheRulesAsTheyAreCompiledToTheSameBytes) {
  for (const char* function :
       {"example.org/app/inner.Shout", "example.org/app/inner.*", "strings.ToUpper", "main.main"}) {
    Request with = request(hooks_at(function));
    const Artifact compiled = must_build_several(with);
    const auto libraries = entries("hooked-std");
    with.use_shortcuts = false;
    const Artifact planned = must_build_several(with);
    EXPECT_FALSE(compiled.planned_first) << function;
    EXPECT_TRUE(planned.planned_first) << function;
    EXPECT_EQ(compiled.sha256, planned.sha256) << function;
    EXPECT_EQ(compiled.notes, planned.notes) << function;
    EXPECT_EQ(compiled.notes.size(), std::string_view(function).ends_with('*') ? 1u : 0u) << "what cannot be hooked";
    EXPECT_EQ(entries("hooked-std"), libraries) << "both ways come to one standard library";
    const std::string package(function, std::string_view(function).rfind('.'));
    EXPECT_THAT(bytes_of(compiled), HasSubstr(package + ".sandboxSite_0"));
  }
}

TEST_F(SeveralPackages, TestBinariesToo) {
  for (const char* function : {"strings.ToUpper", "example.org/app/inner.*"}) {
    Request with = request(hooks_at(function));
    with.test_binary = true;
    const Artifact compiled = must_build_several(with);
    with.use_shortcuts = false;
    const Artifact planned = must_build_several(with);
    EXPECT_FALSE(compiled.planned_first) << function;
    EXPECT_EQ(compiled.sha256, planned.sha256) << function;
  }
  // The main function of a test binary is go test's own.
  Request with = request(hooks_at("main.main"));
  with.test_binary = true;
  EXPECT_THAT(build_several(with).failure.message, HasSubstr("nothing is called 'main.main'"));
}

// A shipped rule may be in vain, so that what was linked is all that can speak for a plan.
TEST_F(SeveralPackages, WhatIsLinkedAndWasNotPlannedOrPlannedAndIsNotLinkedTakesAPlan) {
  Hooks hooks = hooks_at("strings.ToUpper");
  hooks.shipped_rules = {0};
  tree_.standard_imports = {"example"};
  const Artifact more = must_build_several(request(hooks));
  EXPECT_TRUE(more.planned_first);
  EXPECT_THAT(bytes_of(more), HasSubstr("strings.sandboxSite_0"));
  tree_.standard_imports = {"fmt", "os", "strings", "net/http"};
  EXPECT_TRUE(must_build_several(request(hooks)).planned_first);
  BuildOutcome in_vain = build_several(request(hooks_at("net/http.Get")));
  EXPECT_FALSE(in_vain.artifact);
  EXPECT_THAT(in_vain.failure.message, HasSubstr("net/http"));
  tree_.standard_imports = {"fmt", "os", "strings"};
  EXPECT_FALSE(must_build_several(request(hooks)).planned_first) << "control";
}

TEST_F(SeveralPackages, AModuleMayBeCalledAsPartsOfTheRuntime) {
  const Artifact artifact =
      must_build({{"go.mod", "module runtime/app\n\ngo 1.25\n"},
                  {"main.go", "package main\n\nimport \"runtime/app/inner\"\n\nfunc main() { inner.F() }\n"},
                  {"inner/inner.go", "package inner\n\nfunc F() {}\n"}},
                 request(hooks_at("runtime/app/inner.F")));
  EXPECT_FALSE(artifact.planned_first);
  EXPECT_THAT(bytes_of(artifact), HasSubstr("runtime/app/inner.sandboxSite_0"));
}

TEST_F(SeveralPackages, RulesInVainAreThePlansToExplainButForShippedOnes) {
  for (const auto& [rules, says] :
       {std::pair(hooks_at("example.org/app/inner.Shuot"), "did you mean example.org/app/inner.Shout"),
        std::pair(hooks_at("os.OpenFile", "nome"), "os.OpenFile has no argument nome")}) {
    BuildOutcome outcome = build_several(request(rules));
    EXPECT_FALSE(outcome.artifact);
    EXPECT_THAT(outcome.failure.message, HasSubstr(says));
    Hooks shipped = rules;
    shipped.shipped_rules = {0};
    EXPECT_FALSE(must_build_several(request(shipped)).planned_first) << says;
  }
}

TEST_F(SeveralPackages, ASourceThatDoesNotCompileIsExplainedWithoutOurNames) {
  BuildOutcome outcome = build_several(request(hooks_at("main.main")),
                                       {{"inner/inner.go", "package inner\n\nfunc Shout(s string) string {}\n"}});
  EXPECT_FALSE(outcome.artifact);
  EXPECT_EQ(outcome.failure.message, "inner/inner.go:3:30: missing return");
}

TEST_F(HookedBuildTest, ASignalThatEndsThePlanningEndsTheBuild) {
  must_build(kOpens, request(hooks_at("os.OpenFile")));  // from here on a plan of new rules is the first thing to run
  sigset_t term, before;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &term, &before), 0);
  const UniqueFd signals(::signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK));
  ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
  Request with = request(hooks_at("os.ReadFile"));
  with.cancel_fd = signals.get();
  const auto outcome = try_build({{"go.mod", kGoMod}, {"main.go", kOpens}}, with);
  signalfd_siginfo unread;
  EXPECT_EQ(::read(signals.get(), &unread, sizeof unread), -1) << "it was taken";
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_FALSE(outcome) << "and must not be forgotten";
  EXPECT_EQ(outcome.error().sys_errno, ECANCELED);
}

TEST_F(HookedBuildTest, ADamagedPlanIsMadeAgain) {
  must_build(kOpens, request(hooks_at("os.OpenFile", "name")));
  for (const std::string& name : entries("hook-plans")) {
    const std::string path = state_ + "/hook-plans/" + name + "/plan";
    ASSERT_OK_AND_ASSIGN(std::string text, read_file(path, Bytes{64 << 20}));
    const auto at = text.find("\"sites\": 1");
    if (at == std::string::npos) continue;
    text[at + 9] = '2';
    ASSERT_TRUE(replace_file(path, text, 0444));
  }
  EXPECT_TRUE(must_build(kOpens, request(hooks_at("os.OpenFile", "name"))).replayed);
  bool found = false;
  for (const std::string& name : entries("hook-plans")) {
    const std::string entry = state_ + "/hook-plans/" + name;
    ASSERT_OK_AND_ASSIGN(std::string text, read_file(entry + "/plan", Bytes{64 << 20}));
    ASSERT_OK_AND_ASSIGN(std::string digest, read_file(entry + "/sha256", Bytes{64}));
    found = found || sha256(text).hex() == digest;
  }
  EXPECT_TRUE(found) << "no plan is whole";
}

TEST_F(HookedBuildTest, AnotherToolchainHasAnotherPlan) {
  SilentNarrator silent;
  ASSERT_OK_AND_ASSIGN(StdCache library, std_cache(*host_, toolchain_, state_, silent));
  ASSERT_OK_AND_ASSIGN(HookTool tool, hook_tool(*host_, toolchain_, library, state_, silent));
  const Hooks hooks = hooks_at("os.OpenFile");
  // The same files at another path count as another toolchain.
  Toolchain other = toolchain_;
  other.goroot = temporary_.path() + "/goroot";
  fs::create_directories(other.goroot);
  ASSERT_EQ(::mount(toolchain_.goroot.c_str(), other.goroot.c_str(), nullptr, MS_BIND, nullptr), 0);
  std::vector<std::size_t> counts;
  for (const Toolchain* toolchain : {&toolchain_, &toolchain_, &other}) {
    const HookInput input{*host_, *toolchain, tool, hooks, state_, temporary_.path(), {}, -1};
    auto plan = standard_plan(input, library, {"fmt", "strings"});
    EXPECT_TRUE(plan) << plan.error().what;
    counts.push_back(entries("hook-plans").size());
  }
  ASSERT_EQ(::umount2(other.goroot.c_str(), MNT_DETACH), 0);
  EXPECT_EQ(counts[1], counts[0]);
  EXPECT_EQ(counts[2], counts[0] + 1);
}

TEST_F(HookedBuildTest, OnlyPackagesOfTheStandardLibraryArePlannedApart) {
  SilentNarrator silent;
  ASSERT_OK_AND_ASSIGN(StdCache library, std_cache(*host_, toolchain_, state_, silent));
  ASSERT_OK_AND_ASSIGN(HookTool tool, hook_tool(*host_, toolchain_, library, state_, silent));
  const Hooks hooks = hooks_at("os.OpenFile");
  const HookInput input{*host_, toolchain_, tool, hooks, state_, temporary_.path(), {}, -1};
  for (const char* name : {"example.org/app", "./os", "fmt\nos", "fm", "mt", "cmd/go"}) {
    auto plan = standard_plan(input, library, {"fmt", name});
    ASSERT_FALSE(plan) << name;
    EXPECT_EQ(plan.error().fault, Fault::self) << name << ": " << plan.error().what;
  }
  EXPECT_TRUE(standard_plan(input, library, {"fmt", "unsafe"})) << "control";
}

TEST_F(HookedBuildTest, RulesInVainAreTheGoCommandsToExplainButForShippedOnes) {
  for (const auto& [rules, says] : {std::pair(hooks_at("main.nothing"), "nothing is called 'main.nothing'"),
                                    std::pair(hooks_at("os.OpenFile", "nome"), "os.OpenFile has no argument nome")}) {
    BuildOutcome outcome = build_of(kOpens, request(rules));
    EXPECT_FALSE(outcome.artifact);
    EXPECT_THAT(outcome.failure.message, HasSubstr(says));
    Hooks shipped = rules;
    shipped.shipped_rules = {0};
    EXPECT_TRUE(must_build(kOpens, request(shipped)).replayed) << says;
  }
}

TEST_F(HookedBuildTest, ASourceThatDoesNotCompileIsExplainedWithoutOurNames) {
  BuildOutcome outcome = build_of("package main\n\nfunc main() { undefinedName() }\n", request(hooks_at("main.main")));
  EXPECT_FALSE(outcome.artifact);
  EXPECT_EQ(outcome.failure.message, "main.go:3:15: undefined: undefinedName");
}

}  // namespace
}  // namespace sandbox_run::go_build
