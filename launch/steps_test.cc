// Every step of the launch is made to fail once; each time the error names it and nothing is left.
#include "launch/steps.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdio>

#include "launch/script.h"
#include "launch/steps_error.h"
#include "launch/testing/sandbox_fixture.h"

namespace sandbox_run::launch {
namespace {

using testing::HasSubstr;

class Steps : public SandboxFixture {
 protected:
  Plan full_plan() {
    Plan full = plan();
    full.proc = true;
    full.network = Network::loopback;
    OverlayMount overlay;
    overlay.lower = "/usr/share/zoneinfo";
    overlay.target = "/cache";
    overlay.upper_size = Bytes{1 << 20};
    full.mounts.push_back(overlay);
    return full;
  }
};

TEST_F(Steps, EachOneFailsByItsNameAndLeavesNothing) {
  int failed = 0;
  for (const StepFacts& facts : kSteps) {
    const std::string name = facts.name;
    if (name == "program.exec") continue;  // AProgramThatIsNoneIsTheCallersError
    Plan broken = full_plan();
    broken.fail = {name, ENOMEM};
    const auto result = run(broken, {"exit", "0"});
    const Hardening* hardening = hardening_of(static_cast<Step>(&facts - kSteps));
    const bool convenience = name == "proc.descriptors";  // proc.make is not: this plan asks for /proc
    EXPECT_EQ(result.has_value(), convenience || hardening) << name;
    if (result.has_value()) {
      EXPECT_THAT(result->hardening, testing::Not(testing::Contains(hardening ? hardening->name : "")))
          << "the run does not claim it";
      continue;
    }
    ++failed;
    EXPECT_THAT(result.error().what, HasSubstr("launch " + name)) << name;
    EXPECT_EQ(result.error().sys_errno, ENOMEM) << name;
  }
  EXPECT_GT(failed, 40);
}

TEST(StepError, AHardLimitThatIsTooLowSaysHowItIsRaised) {
  EXPECT_THAT(step_error(Step::limit_set, EPERM, "nofile 4096").what,
              testing::AllOf(HasSubstr("limit.set: nofile 4096"), HasSubstr("ulimit -H")));
  EXPECT_THAT(step_error(Step::limit_set, EINVAL, "nofile 4096").what, testing::Not(HasSubstr("ulimit")));
}

TEST(StepError, AHardeningThatTheHostLacksSaysWhatGivesIt) {
  EXPECT_THAT(step_error(Step::core_scheduling, EINVAL, "").what,
              testing::AllOf(HasSubstr("--require core-scheduling"), HasSubstr("CONFIG_SCHED_CORE")));
}

TEST_F(Steps, ARequiredHardeningIsAWall) {
  Plan strict = plan();
  strict.require = {"landlock"};
  EXPECT_OK(run(strict, {"exit", "0"}));
  strict.fail = {"landlock.create", EOPNOTSUPP};
  const auto result = run(strict, {"exit", "0"});
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().what, HasSubstr("landlock.create"));
}

TEST_F(Steps, ARequiredHardeningThatTheHostLacksIsRefused) {
  Plan strict = plan();
  strict.require = {"landlock"};
  ASSERT_OK_AND_ASSIGN(const MountPlan mounts, plan_mounts(strict));
  LoweringFacts facts;
  for (std::size_t index = 0; index < mounts.mounts.size(); ++index) facts.mounts.push_back({index, 0, 0});
  facts.landlock_abi = 1;
  EXPECT_OK(check_required(strict, lower(strict, mounts, facts)));
  facts.landlock_abi = 0;
  const Status refused = check_required(strict, lower(strict, mounts, facts));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("no landlock"));
}

TEST_F(Steps, EachHardeningThatDoctorListsCanBeRequiredAndIsReported) {
  Plan strict = full_plan();
  std::vector<std::string> present;
  for (const Probe& probe : probe_host())
    if (!probe.is_wall && probe.present) present.push_back(probe.name);
  strict.require = present;
  EXPECT_GT(present.size(), 3u);
  ASSERT_OK_AND_ASSIGN(const Facts facts, run(strict, {"exit", "0"}));
  EXPECT_EQ(facts.hardening, present);
}

TEST_F(Steps, ThePlanPrintsEveryStepOnceInOrder) {
  ASSERT_OK_AND_ASSIGN(const std::string text, render(full_plan()));
  std::size_t at = 0;
  for (const StepFacts& facts : kSteps) {
    const std::size_t found = text.find(std::string(" ") + facts.name + " ", at);
    ASSERT_NE(found, std::string::npos) << facts.name << "\n" << text;
    at = found;
  }
  EXPECT_THAT(text, HasSubstr("/tmp tmpfs 8 MiB rw,nosuid,nodev,noexec,nosymfollow"));
}

TEST_F(Steps, TheHostHasEveryWall) {
  for (const Probe& probe : probe_host())
    EXPECT_TRUE(probe.present || !probe.is_wall) << probe.name << ": " << probe.detail;
}

// Init brings everything along that it calls: an undefined symbol would be a library that is not there.
TEST(Init, HasNoUndefinedSymbolAndIsSmall) {
  FILE* nm = ::popen("nm -u " LAUNCH_INIT " 2>&1", "r");
  ASSERT_NE(nm, nullptr);
  std::string text;
  for (int letter; (letter = std::fgetc(nm)) != EOF;) text += static_cast<char>(letter);
  ::pclose(nm);
  EXPECT_TRUE(text.empty() || text.find("no symbols") != std::string::npos) << text;
}

}  // namespace
}  // namespace sandbox_run::launch
