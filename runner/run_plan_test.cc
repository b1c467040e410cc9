#include "runner/run_plan.h"

#include <gmock/gmock.h>

#include "base/testing.h"

namespace sandbox_run::runner {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Environment, IsExactlyTheFixedOneByDefault) {
  EXPECT_THAT(environment_of(Request{}), ElementsAre("HOME=/tmp", "TMPDIR=/tmp", "USER=sandbox",
                                                     "PATH=", "LANG=C.UTF-8", "GOMAXPROCS=1", "GOMEMLIMIT=241591905"));
}

TEST(Environment, TheRequestsOwnVariablesWin) {
  Request request;
  EXPECT_EQ(limits_section(request).go_max_procs, 1U);
  request.environment = {"GOMEMLIMIT=off", "TZ=Asia/Tokyo", "GOMAXPROCS=8"};
  EXPECT_THAT(environment_of(request), Contains("GOMEMLIMIT=off"));
  EXPECT_THAT(environment_of(request), Not(Contains("GOMEMLIMIT=241591905")));
  EXPECT_EQ(limits_section(request).go_memory_limit, "off");
  EXPECT_EQ(limits_section(request).go_max_procs, 8U);
}

TEST(Environment, ProcessorsAreRoundedUp) {
  RunLimits limits;
  limits.cpus = 0.5;
  EXPECT_EQ(go_max_procs(limits), 1U);
  limits.cpus = 2.5;
  EXPECT_EQ(go_max_procs(limits), 3U);
}

TEST(Environment, ProcessorsLeaveThreadsToRunOn) {
  RunLimits limits;
  limits.cpus = 1000;
  EXPECT_EQ(go_max_procs(limits), limits.processes / 2);
  limits.processes = 1;
  EXPECT_EQ(go_max_procs(limits), 1U);
}

TEST(RunPlan, GrantsScratchOnTopOfMemory) {
  ASSERT_OK_AND_ASSIGN(launch::Plan plan, plan_for(Request{}, "t", "", "."));
  EXPECT_EQ(plan.cgroup.memory.count, 320ull << 20);
  EXPECT_EQ(plan.memory.count, 256ull << 20);
  EXPECT_EQ(plan.working_directory, "/work");
}

TEST(RunPlan, ATestStandsInItsPackagesDirectoryOfTheReadOnlySource) {
  ASSERT_OK_AND_ASSIGN(launch::Plan plan, plan_for(Request{}, "t", "/snapshot", "./internal/x"));
  EXPECT_EQ(plan.working_directory, "/work/internal/x");
  const auto& source = std::get<launch::BindMount>(plan.mounts.front());
  EXPECT_EQ(source.target, "/work");
  EXPECT_FALSE(source.writable);
}

TEST(RunPlan, NothingIsMountedIntoASourceThatIsShown) {
  Request request;
  request.mounts = {{"/data", "/workshop", false}, {"/host", "/work/x", true}};
  EXPECT_OK(check_mounts(request));  // control: /work is the scratch space
  request.with_source = true;
  Status refused = check_mounts(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::input);
  EXPECT_THAT(refused.error().what, AllOf(HasSubstr("--mount-rw /host:/work/x"), HasSubstr("--with-source")));
  request.with_source = false;
  request.action = Request::Action::test;
  EXPECT_FALSE(check_mounts(request));
  request.mounts = {{"/data", "/work", false}};
  EXPECT_FALSE(check_mounts(request));
  request.mounts = {{"/data", "/workshop", false}};
  EXPECT_OK(check_mounts(request));
}

TEST(RunPlan, LoopbackTakesTheProfileThatAllowsItsSockets) {
  Request request;
  request.network = launch::Network::loopback;
  ASSERT_OK_AND_ASSIGN(launch::Plan plan, plan_for(request, "t", "", "."));
  EXPECT_EQ(plan.profile_name, "go-run-loopback");
}

TEST(RunPlan, AnUnknownProfileIsTheCallersFault) {
  Request request;
  request.profile = "no-such-profile";
  auto plan = plan_for(request, "t", "", ".");
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().fault, Fault::input);
}

TEST(Repeat, WhatIsOneRunsIsRefusedForSeveralAndFineForOne) {
  Request collecting, traced;
  collecting.collect.push_back({"*.png", "results"});
  traced.trace.emplace();
  for (Request* request : {&collecting, &traced}) {
    EXPECT_OK(check_repeat(*request));
    request->repeat = 2;
    const Status refused = check_repeat(*request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::input);
    EXPECT_THAT(refused.error().what, testing::HasSubstr("--repeat 2: "));
  }
}

TEST(Repeat, OnlySeveralRunsMayShareANetworkAndNotWhereEachIsToHaveAFreshOne) {
  Request request;
  const auto may_share = [&] {
    auto plan = plan_for(request, "id", "", ".");
    EXPECT_OK(plan);
    return plan && plan->may_share_network;
  };
  EXPECT_FALSE(may_share());
  request.repeat = 2;
  EXPECT_TRUE(may_share());
  request.fresh_network = true;
  EXPECT_FALSE(may_share());
}

}  // namespace
}  // namespace sandbox_run::runner
