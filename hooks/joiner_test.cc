#include "hooks/joiner.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/syscall.h>

#include "base/testing.h"
#include "hooks/testing/program.h"

namespace sandbox_run::hooks {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kOpenSite = 0x500000, kAbortSite = 0x500100, kPointSite = 0x500200, kCountSite = 0x500300,
                        kMakeSite = 0x500400;
constexpr std::uint64_t kGoReturn = 0x401005, kRuntimeReturn = 0x402005;

const char* kRules = R"(
version: 1
rules:
  - name: open
    at: os.OpenFile
    do: {record: {arguments: [name], results: [err], duration: true}}
    explains: {calls: [openat], path: [name]}
  - name: no-exec
    at: os.StartProcess
    do: {abort: no}
  - name: panic
    at: {call: panic}
    do: record
  - name: counted
    at: main.f
    do: count
  - name: make
    at: os.MkdirAll
    do: {record: {arguments: [path], results: [err]}}
    explains: {calls: [mkdirat], path: [path], always: false}
    active: false
)";

Sites test_sites() {
  Sites sites;
  auto add = [&](std::uint64_t address, std::uint32_t rule, SiteKind kind, std::uint32_t options, const char* function,
                 const char* input) {
    Site site;
    site.address = address;
    site.rule = rule;
    site.kind = kind;
    site.options = options;
    site.function = function;
    site.inputs = {input};
    site.results = {"err"};
    sites.sites.push_back(site);
  };
  add(kOpenSite, 0, SiteKind::function, kSiteHasExit, "os.OpenFile", "name");
  add(kAbortSite, 1, SiteKind::function, kSiteAborts, "os.StartProcess", "name");
  add(kPointSite, 2, SiteKind::panic, 0, "main.main", "value");
  add(kCountSite, 3, SiteKind::function, kSiteCountOnly, "main.f", "");
  add(kMakeSite, 4, SiteKind::function, kSiteHasExit, "os.MkdirAll", "path");
  sites.system_call_returns = {kGoReturn};
  sites.runtime_calls = {{kRuntimeReturn, SYS_openat}};
  return sites;
}

// A run in which time goes on by 10 with every event.
class JoinerTest : public testing::Test {
 protected:
  void SetUp() override { begin(100'000); }
  void begin(std::size_t max_events) {
    auto rules = parse_rules(kRules, "rules.yaml");
    ASSERT_TRUE(rules) << rules.error().what;
    joiner_.emplace(
        *rules, test_sites(),
        Joiner::Options{.max_events = max_events, .witnessed_calls = {SYS_openat, SYS_mkdirat}, .start_ns = 1000});
  }
  std::uint64_t now() const { return now_ns_; }
  void feed(const Slot& slot) { joiner_->take(position_++, slot, now_ns_); }

  std::uint64_t enter(const std::string& path, std::uint64_t goroutine = 1, std::uint64_t site = kOpenSite) {
    now_ns_ += 10;
    const std::uint64_t frame = position_ + 1;
    feed(event(SlotKind::enter, site, now_ns_, goroutine, frame, path.empty() ? "" : text_value(0, path)));
    return frame;
  }
  void leave(std::uint64_t frame, std::uint64_t goroutine = 1, bool failed = false, std::uint64_t site = kOpenSite) {
    now_ns_ += 10;
    feed(event(SlotKind::exit, site, now_ns_, goroutine, frame,
               failed ? value(ValueTag::pointer, 128, "12345678") : nil_value(128)));
  }
  WitnessedCall open(const std::string& path, std::uint64_t instruction_pointer = kGoReturn) {
    now_ns_ += 10;
    WitnessedCall call{
        .thread = 7, .number = SYS_openat, .instruction_pointer = instruction_pointer, .time_ns = now_ns_};
    call.arguments[0] = static_cast<std::uint64_t>(AT_FDCWD);
    call.path = path;
    return call;
  }
  JoinVerdict witness(const WitnessedCall& call) { return joiner_->witness(call); }
  Trace finish(const std::vector<Counter>& counters = {}) { return joiner_->finish(counters, now_ns_ + 10); }
  static std::uint64_t forgeries(const Trace& trace, Forgery kind) {
    return trace.forgeries[static_cast<std::size_t>(kind)].count;
  }

  std::optional<Joiner> joiner_;
  std::uint64_t position_ = 0;
  std::uint64_t now_ns_ = 2000;
};

TEST_F(JoinerTest, AnHonestRunIsExplainedAndUnsuspicious) {
  for (int i = 0; i < 3; ++i) {
    const auto frame = enter("/etc/hosts");
    EXPECT_EQ(witness(open("/etc/hosts")), JoinVerdict::explained);
    leave(frame);
  }
  const auto failed = enter("/absent");
  EXPECT_EQ(witness(open("/absent")), JoinVerdict::explained);
  leave(failed, 1, true);
  const Trace trace = finish({{kOpenSite, 4}});
  EXPECT_FALSE(trace.forged());
  EXPECT_EQ(trace.count(JoinVerdict::explained), 4u);
  EXPECT_EQ(trace.without_effect, 0u);
  EXPECT_EQ(trace.open_frames, 0u);
  EXPECT_EQ(trace.unbalanced_frames, 0u);
  ASSERT_EQ(trace.functions.size(), 1u);
  EXPECT_EQ(trace.functions[0].function, "os.OpenFile");
  EXPECT_EQ(trace.functions[0].calls, 4u);
  EXPECT_EQ(trace.functions[0].time_ns, 4 * 20u);
  ASSERT_EQ(trace.events.size(), 4u);
  EXPECT_EQ(trace.events[0].duration_ns, 20u);
  ASSERT_EQ(trace.witnessed.size(), 4u);
  EXPECT_EQ(trace.witnessed[3].frame, failed);
}

TEST_F(JoinerTest, ACallBelowTheHookIsUnexplained) {
  leave(enter("/etc/hosts"));
  EXPECT_EQ(witness(open("/etc/passwd")), JoinVerdict::unexplained);
  EXPECT_THAT(finish().witnessed[0].why, HasSubstr("rule open"));
}

TEST_F(JoinerTest, ACallFromCodeThatBroughtItsOwnInstructionIsUnexplainedEvenInsideAFrame) {
  const auto frame = enter("/etc/passwd");
  EXPECT_EQ(witness(open("/etc/passwd", 0x409999)), JoinVerdict::unexplained);
  EXPECT_EQ(witness(open("/etc/passwd")), JoinVerdict::explained) << "the control: from where Go makes its calls";
  leave(frame);
}

TEST_F(JoinerTest, AFrameThatNamesAnotherPathContradicts) {
  const auto frame = enter("/tmp/harmless");
  EXPECT_EQ(witness(open("/etc/passwd")), JoinVerdict::contradicted);
  EXPECT_EQ(witness(open("/tmp/harmless")), JoinVerdict::explained);
  leave(frame);
  const Trace trace = finish();
  EXPECT_EQ(trace.witnessed[0].frame, frame);
  EXPECT_THAT(trace.witnessed[0].why, HasSubstr("/tmp/harmless"));
}

TEST_F(JoinerTest, AClaimWithoutItsSystemCallIsSeen) {
  leave(enter("/etc/hosts"));
  const auto control = enter("/etc/hosts");
  witness(open("/etc/hosts"));
  leave(control);
  leave(enter("/absent"), 1, true);  // an error claims nothing
  const Trace trace = finish();
  EXPECT_EQ(trace.without_effect, 1u);
  EXPECT_TRUE(trace.events[0].without_effect);
  EXPECT_FALSE(trace.events[1].without_effect);
}

TEST_F(JoinerTest, ARuleWhoseSuccessTakesNoCallClaimsNone) {
  joiner_->set_active(4, true, 0);
  const auto frame = enter("/tmp/a", 1, kMakeSite);
  leave(frame, 1, false, kMakeSite);
  EXPECT_EQ(finish().without_effect, 0u);
}

TEST_F(JoinerTest, ALossExcusesNobodyButIsSaid) {
  joiner_->set_losses(5, 0, 0);
  EXPECT_EQ(witness(open("/etc/passwd")), JoinVerdict::unexplained);
  leave(77);
  leave(enter("/etc/hosts"));
  position_ += 100;
  leave(78);  // its enter is among what was lost
  const Trace trace = finish();
  EXPECT_TRUE(trace.witnessed[0].after_loss);
  EXPECT_EQ(trace.dropped, 5u);
  EXPECT_EQ(trace.without_effect, 0u);
  EXPECT_EQ(trace.unbalanced_frames, 1u);
  EXPECT_EQ(forgeries(trace, Forgery::bad_frame), 1u) << "frame 77 was not even reserved then";
}

TEST_F(JoinerTest, NestedFramesEndInOrderAndTheInnermostExplains) {
  const auto outer = enter("/a"), inner = enter("/a");
  EXPECT_EQ(witness(open("/a")), JoinVerdict::explained);
  leave(inner);
  leave(outer);
  EXPECT_EQ(finish().witnessed[0].frame, inner);
}

TEST_F(JoinerTest, AFrameLeftOpenByALaterEndIsUnbalanced) {
  const auto outer = enter("/a");
  enter("/b");
  leave(outer);
  const Trace trace = finish();
  EXPECT_EQ(trace.unbalanced_frames, 1u);
  EXPECT_EQ(trace.open_frames, 0u);
}

TEST_F(JoinerTest, GoroutinesAreKeptApart) {
  const auto one = enter("/one", 1), two = enter("/two", 2);
  EXPECT_EQ(witness(open("/one")), JoinVerdict::explained);
  EXPECT_EQ(witness(open("/two")), JoinVerdict::explained);
  leave(one, 1);
  leave(two, 2);
  const Trace trace = finish();
  EXPECT_EQ(trace.unbalanced_frames, 0u);
  EXPECT_EQ(trace.without_effect, 0u);
  EXPECT_FALSE(trace.forged());
}

TEST_F(JoinerTest, WhatTheRuntimeDoesByItselfIsNobodysFault) {
  EXPECT_EQ(witness(open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", kRuntimeReturn)), JoinVerdict::runtime);
  EXPECT_EQ(witness(open("/sys/fs/cgroup/cpu.max")), JoinVerdict::runtime);
  EXPECT_EQ(witness(open("/etc/passwd", kRuntimeReturn)), JoinVerdict::unexplained)
      << "the control: the runtime's own open, misused";
}

TEST_F(JoinerTest, OnlyRulesThatSeeEveryCallAccuse) {
  WitnessedCall call = open("/tmp/x");
  call.number = SYS_mkdirat;
  EXPECT_EQ(witness(call), JoinVerdict::uncovered) << "its rule is not active";
  joiner_->set_active(4, true, now());
  call.time_ns = now() + Joiner::kSettle_ns / 2;
  EXPECT_EQ(witness(call), JoinVerdict::uncovered) << "it has just been attached";
  call.time_ns = now() + 2 * Joiner::kSettle_ns;
  EXPECT_EQ(witness(call), JoinVerdict::unexplained);
  joiner_->set_active(0, false, now());
  EXPECT_EQ(witness(open("/etc/passwd")), JoinVerdict::uncovered) << "switched off from outside";
}

TEST_F(JoinerTest, ACallReportedLateBelongsToTheFrameThatWasOpenThen) {
  const auto frame = enter("/a");
  const WitnessedCall call = open("/a");
  leave(frame);
  EXPECT_EQ(witness(call), JoinVerdict::explained);
  EXPECT_EQ(witness(open("/a")), JoinVerdict::unexplained) << "the control: after the frame's end";
  EXPECT_EQ(finish().without_effect, 0u);
}

TEST_F(JoinerTest, ForgedEventsAreNamed) {
  const std::uint64_t t = now();
  feed(event(SlotKind::enter, 0x666, t, 1, position_ + 1));       // no such site
  feed(event(SlotKind::point, kOpenSite, t, 1));                  // a function makes no points
  feed(event(SlotKind::enter, kCountSite, t, 1, position_ + 1));  // it only counts
  feed(event(SlotKind::aborted, kOpenSite, t, 1));                // its rule aborts nothing
  feed(event(static_cast<SlotKind>(99), kOpenSite, t, 1));
  feed(event(SlotKind::enter, kOpenSite, t, 1, position_ + 1, "\x05\x00\xff\xff"));  // a length beyond the payload
  feed(event(SlotKind::enter, kOpenSite, t, 1, position_ + 1, value(ValueTag{77}, 0, "")));  // no such tag
  feed(event(SlotKind::enter, kOpenSite, t, 1, 12345));                                      // not its own number
  feed(event(SlotKind::exit, kOpenSite, t, 1, position_ + 50));                              // from the future
  feed(event(SlotKind::exit, kOpenSite, t, 1, 1));                                           // never began
  feed(event(SlotKind::enter, kOpenSite, t + 1'000'000, 1, position_ + 1));                  // later than now
  feed(event(SlotKind::enter, kOpenSite, 5, 2, position_ + 1));                              // before the run
  const auto frame = enter("/a", 3);
  leave(frame, 4);                                               // on another goroutine
  feed(event(SlotKind::enter, kOpenSite, t, 3, position_ + 1));  // its goroutine had been further
  Slot long_payload = event(SlotKind::enter, kOpenSite, t, 5, position_ + 1);
  long_payload.payload_length = 65535;
  feed(long_payload);
  const Trace trace = finish({{kOpenSite, 1}, {0x777, 1}});
  EXPECT_EQ(forgeries(trace, Forgery::unknown_site), 1u);
  EXPECT_EQ(forgeries(trace, Forgery::unknown_kind), 4u);
  EXPECT_EQ(forgeries(trace, Forgery::malformed), 3u);
  EXPECT_EQ(forgeries(trace, Forgery::bad_frame), 2u);
  EXPECT_EQ(forgeries(trace, Forgery::exit_without_enter), 1u);
  EXPECT_EQ(forgeries(trace, Forgery::time_in_future), 2u);
  EXPECT_EQ(forgeries(trace, Forgery::wrong_goroutine), 1u);
  EXPECT_EQ(forgeries(trace, Forgery::time_backwards), 1u);
  EXPECT_EQ(forgeries(trace, Forgery::counter_mismatch), 1u);
  EXPECT_EQ(forgeries(trace, Forgery::unknown_counter), 1u);
  EXPECT_THAT(trace.forgeries[static_cast<std::size_t>(Forgery::counter_mismatch)].example, HasSubstr("os.OpenFile"));
  EXPECT_TRUE(trace.forged());
}

TEST_F(JoinerTest, AbortsPointsAndCountersAreTotalled) {
  feed(event(SlotKind::aborted, kAbortSite, now(), 1, 0, text_value(0, "/bin/sh")));
  feed(event(SlotKind::point, kPointSite, now(), 1, 0, integer_value(0, -3)));
  const Trace trace = finish({{kAbortSite, 1}, {kCountSite, 1'000'000}, {kPointSite, 3}});
  EXPECT_FALSE(trace.forged());
  ASSERT_EQ(trace.functions.size(), 3u);
  EXPECT_EQ(trace.functions[0].function, "main.f");
  EXPECT_EQ(trace.functions[0].calls, 1'000'000u);
  EXPECT_EQ(trace.functions[1].function, "main.main");
  EXPECT_EQ(trace.functions[1].calls, 3u) << "sampled events are fewer than calls";
  EXPECT_EQ(trace.functions[2].aborted, 1u);
}

TEST_F(JoinerTest, MemoryIsBoundedWhateverTheProgramDoes) {
  begin(100);
  for (int i = 0; i < 1'000; ++i) {
    enter("/a", static_cast<std::uint64_t>(i));
    witness(open("/a"));
  }
  EXPECT_EQ(witness(open("/etc/shadow")), JoinVerdict::contradicted);
  for (std::uint64_t i = 0; i < Joiner::kMaxOpenFrames + 10; ++i) enter("", 1);
  const Trace trace = finish();
  EXPECT_EQ(trace.events.size(), 100u);
  EXPECT_EQ(trace.events_counted, 1'000u + Joiner::kMaxOpenFrames + 10);
  EXPECT_EQ(trace.witnessed.size(), 101u) << "a flood of explained calls does not hide the one that matters";
  EXPECT_EQ(trace.witnessed_counted, 1'001u);
  EXPECT_EQ(trace.open_frames, Joiner::kMaxOpenFrames);
  EXPECT_EQ(trace.untracked_frames, 1'010u);
}

TEST_F(JoinerTest, LongPathsAreKeptUpToABoundOfTheirOwn) {
  const std::string path = "/" + std::string(4000, 'x');
  const std::size_t calls = Joiner::kMaxPathBytes / path.size() + 1'000;
  for (std::size_t i = 0; i < calls; ++i) EXPECT_EQ(witness(open(path)), JoinVerdict::unexplained);
  const std::uint64_t frame = enter("/a");
  EXPECT_EQ(witness(open("/a")), JoinVerdict::explained);
  leave(frame);
  const Trace trace = finish();
  EXPECT_EQ(trace.witnessed_counted, calls + 1);
  EXPECT_LE(trace.witnessed.size() * path.size(), Joiner::kMaxPathBytes + 2 * path.size());
  EXPECT_EQ(trace.witnessed.back().verdict, JoinVerdict::explained) << "the room for suspicious calls is their own";
}

// Each of these is a number that no goroutine has had; a look at all known ones for each of them takes minutes.
TEST_F(JoinerTest, MadeUpGoroutinesCostNoMoreThanTheirNumber) {
  std::uint64_t goroutine = 1;
  for (; goroutine <= Joiner::kMaxOpenFrames; ++goroutine) enter("/a", goroutine);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 500'000; ++i) enter("/a", ++goroutine);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
  EXPECT_EQ(finish().open_frames, Joiner::kMaxOpenFrames);
}

TEST_F(JoinerTest, AFunctionThatTwoRulesHookCountsOnce) {
  auto rules = parse_rules(kRules, "rules.yaml");
  ASSERT_TRUE(rules);
  Sites sites = test_sites();
  Site second = sites.sites[0];
  second.address = 0x500500;
  second.rule = 4;
  sites.sites.push_back(second);
  Site place = sites.sites[2];  // a call in it, which is something else
  place.address = 0x500600;
  place.function = "os.OpenFile";
  sites.sites.push_back(place);
  joiner_.emplace(*rules, std::move(sites), Joiner::Options{.max_events = 100, .start_ns = 1000});
  for (int i = 0; i < 3; ++i) leave(enter("/a"));
  for (int i = 0; i < 2; ++i) leave(enter("/a", 1, 0x500500), 1, false, 0x500500);
  leave(enter("/d", 1, kMakeSite), 1, false, kMakeSite);
  feed(event(SlotKind::point, 0x500600, now(), 1, 0, ""));
  const Trace trace = finish();
  ASSERT_EQ(trace.functions.size(), 2u);
  EXPECT_EQ(trace.functions[0].function, "os.OpenFile");
  EXPECT_EQ(trace.functions[0].calls, 4u) << "three, and the place in it";
  EXPECT_EQ(trace.functions[1].function, "os.MkdirAll");
  EXPECT_EQ(trace.functions[1].calls, 1u);
}

TEST(PathClaim, ComparesWhatIsKnown) {
  auto same = [](const std::string& claimed, const std::string& witnessed, bool whole = true,
                 int descriptor = AT_FDCWD) {
    WitnessedCall call{.number = SYS_openat};
    call.arguments[0] = static_cast<std::uint64_t>(descriptor);
    call.path = witnessed;
    return may_be_same({claimed, whole}, call);
  };
  EXPECT_TRUE(same("/etc/hosts", "/etc/hosts"));
  EXPECT_TRUE(same("/etc//./hosts", "/etc/hosts"));
  EXPECT_TRUE(same("/etc/x/../hosts", "/etc/hosts"));
  EXPECT_FALSE(same("/etc/hosts", "/etc/passwd"));
  EXPECT_TRUE(same("hosts", "/etc/hosts"));
  EXPECT_TRUE(same("../etc/hosts", "/etc/hosts"));
  EXPECT_FALSE(same("osts", "/etc/hosts"));
  EXPECT_FALSE(same("hosts", "/etc/passwd"));
  EXPECT_TRUE(same("/etc/hosts", "hosts"));
  EXPECT_FALSE(same("/etc/hosts", "passwd"));
  EXPECT_TRUE(same("/etc/hosts", "passwd", true, 5)) << "relative to who knows what";
  EXPECT_FALSE(same("/etc/hosts", "/etc/passwd", true, 5)) << "an absolute path needs no descriptor";
  EXPECT_TRUE(same("/very/long/pa", "/very/long/path", false));
  EXPECT_FALSE(same("/very/long/pa", "/etc/passwd", false));
  EXPECT_FALSE(same("", "/etc/passwd"));
  WitnessedCall symlink{.number = SYS_symlink};
  symlink.path = "b";
  EXPECT_TRUE(may_be_same({"/x/b", true}, symlink));
  EXPECT_FALSE(may_be_same({"/x/c", true}, symlink));
}

// ── hooks that the kernel saw run ────────────────────────────────────────────────────────────────────────────────────

TEST_F(JoinerTest, AnEventWhoseHookTheKernelSawHasItsThreadAndTimes) {
  joiner_->begin(1000, true);
  const std::uint64_t frame = enter("/a");
  joiner_->hit({.site = kOpenSite, .event = frame, .time_ns = 2005, .thread = 41});
  leave(frame);
  joiner_->hit({.site = kOpenSite, .event = frame + 1, .time_ns = 2018, .thread = 42});
  joiner_->settle_hits(2, 0);
  const Trace trace = finish();
  EXPECT_FALSE(trace.forged());
  ASSERT_TRUE(trace.events[0].hit);
  EXPECT_EQ(trace.events[0].hit->thread, 41);
  EXPECT_EQ(trace.events[0].hit->time_ns, 2005u);
  EXPECT_EQ(trace.events[0].hit->end_ns, 2018u);
  EXPECT_EQ(trace.hits->counted, 2u);
}

TEST_F(JoinerTest, AnEventThatNoHookMadeIsForged) {
  joiner_->begin(1000, true);
  leave(enter("/never"));
  joiner_->settle_hits(0, 0);
  const Trace trace = finish();
  EXPECT_EQ(forgeries(trace, Forgery::unwitnessed), 2u);
  EXPECT_FALSE(trace.events[0].hit);
}

TEST_F(JoinerTest, AnEventInTheNameOfAnotherHookIsForged) {
  joiner_->begin(1000, true);
  const std::uint64_t frame = enter("/a");
  joiner_->hit({.site = kMakeSite, .event = frame});
  joiner_->settle_hits(1, 0);
  const Trace trace = finish();
  EXPECT_EQ(forgeries(trace, Forgery::unwitnessed), 1u);
  EXPECT_THAT(trace.forgeries[static_cast<std::size_t>(Forgery::unwitnessed)].example, HasSubstr("os.MkdirAll"));
}

TEST_F(JoinerTest, NobodyIsAccusedWhereHitsWereLostOrAreStillToCome) {
  joiner_->begin(1000, true);
  const std::uint64_t frame = enter("/a");
  EXPECT_FALSE(joiner_->witness(open("/a")) == JoinVerdict::unexplained);
  joiner_->hit({.site = kOpenSite, .event = frame});  // after the event it stands for
  leave(frame);
  joiner_->settle_hits(2, 1);
  const Trace trace = finish();
  EXPECT_FALSE(trace.forged());
  EXPECT_EQ(trace.hits->unaccounted, 1u);
}

TEST_F(JoinerTest, WithoutTheKernelsWordEventsHaveNoHits) {
  leave(enter("/a"));
  const Trace trace = finish();
  EXPECT_FALSE(trace.hits);
  EXPECT_FALSE(trace.events[0].hit);
  EXPECT_FALSE(trace.forged());
}

}  // namespace
}  // namespace sandbox_run::hooks
