// Joiner: events and witnessed calls in, a Trace out. No thread, no clock, no descriptor: what the collector runs on
// and what tests and fuzz targets feed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "hooks/call_probe.h"
#include "hooks/hit_ledger.h"
#include "hooks/path_claim.h"
#include "hooks/rules.h"
#include "hooks/sites.h"
#include "hooks/trace.h"

namespace sandbox_run::hooks {

// Theory of operation. The program's thread writes its event before it makes the system call, and the kernel reports
// the call before the thread goes on; so when a call is joined, the frame that explains it is among the open ones,
// unless somebody lied. The kernel knows threads and the events know goroutines, so a call is held against the open
// frames of all goroutines, newest first. That can clear a call that a frame of another goroutine happens to fit; it
// never accuses an honest program.
class Joiner {
 public:
  struct Options {
    std::size_t max_events = 100'000;
    std::vector<int> witnessed_calls;
    std::uint64_t start_ns = 0;
  };
  Joiner(const RuleSet& rules, Sites sites, Options options);

  // REQUIRES: received_ns is a time after the slot was read.
  void take(std::uint64_t position, const Slot& slot, std::uint64_t received_ns);
  JoinVerdict witness(const WitnessedCall& call);

  // Before the first event. `has_hits`: the kernel tells of every hook that runs.
  void begin(std::uint64_t start_ns, bool has_hits);
  void hit(const HookHit& hit);
  // The hits of all events taken so far were handed over. `lost`: of all hits so far, those that could not be.
  void settle_hits(std::uint64_t counted, std::uint64_t lost);

  void set_rules(const RuleSet& rules);  // after a reload: as many, with the same inputs
  void set_active(std::uint32_t rule, bool active, std::uint64_t now_ns);
  void note_change(TraceChange change);
  void set_losses(std::uint64_t dropped, std::uint64_t lost, std::uint64_t nonsense);

  void set_begun(const std::vector<CallCount>& counts, std::uint64_t lost);

  // To be called once. `counters` are the ring's at the end.
  Trace finish(const std::vector<Counter>& counters, std::uint64_t end_ns);

  static constexpr std::size_t kMaxOpenFrames = 65'536;
  // Those without an open frame are forgotten at need, which frees half of them at the least: so what that costs is
  // spread over as many events, whoever makes up the numbers.
  static constexpr std::size_t kMaxGoroutines = 2 * kMaxOpenFrames;
  static constexpr std::size_t kMaxEnded = 4096;           // frames that ended, kept for calls that are reported late
  static constexpr std::size_t kMaxCandidates = 4096;      // frames that one call is held against
  static constexpr std::size_t kMaxPathBytes = 32u << 20;  // of the calls that are kept; a long path is cheap to send
  static constexpr std::uint64_t kSettle_ns = 50'000'000;  // after an attach, calls that began before it still come

 private:
  struct Frame {
    std::uint64_t id = 0;
    std::uint32_t site = 0;
    std::uint64_t goroutine = 0;
    std::uint64_t enter_ns = 0;
    std::uint64_t exit_ns = 0;         // 0: open
    std::optional<std::size_t> event;  // index in trace_.events; absent: only counted
    std::optional<PathClaim> path;
    bool touched = false;      // a witnessed call fits it
    bool owes_a_call = false;  // ended well: it claims an effect
  };
  struct Goroutine {
    std::vector<std::uint64_t> frames;
    std::uint64_t last_ns = 0;
  };
  struct SiteTotals {
    std::uint64_t events = 0, aborted = 0, time_ns = 0, open = 0, without_effect = 0;
  };
  struct RuleState {
    bool active = false;
    std::uint64_t since_ns = 0;
    bool sees_every_call = false;
    bool all_calls_witnessed = false;  // a call that the rule explains cannot have gone unnoticed
    std::optional<Explains> explains;
    std::vector<std::string> inputs;
  };

  struct Coverage {
    std::optional<std::uint32_t> rule;  // one of those by which it is; nothing: it is not
    std::uint64_t from_ns = 0;          // since when
  };

  void forged(Forgery kind, std::uint64_t position, const std::string& detail);
  std::optional<Forgery> refuse(const Slot& slot, const Site* site, std::uint64_t position) const;
  std::uint64_t checked_time(const Slot& slot, Goroutine& goroutine, std::uint64_t position, std::uint64_t received_ns);
  Goroutine& goroutine(std::uint64_t id);
  void enter(const Slot& slot, std::uint32_t site, std::uint64_t time_ns, std::optional<std::size_t> event,
             Goroutine& own);
  void exit(std::uint64_t position, const Slot& slot, std::uint32_t site, std::uint64_t time_ns, Goroutine& own);
  void close(std::unordered_map<std::uint64_t, Frame>::iterator at, std::uint64_t time_ns);
  void settle(const Frame& frame);
  void claim(std::uint64_t position, const Slot& slot, std::optional<std::size_t> event);
  void confirm(const HitLedger::Claim& claim, const HookHit& hit);
  std::optional<std::size_t> keep(TraceEvent::Kind kind, const Slot& slot, std::uint32_t site, std::uint64_t time_ns);
  std::optional<PathClaim> claimed_path(const Site& site, const Slot& slot) const;
  bool ended_well(const Site& site, const Slot& slot) const;

  JoinVerdict judge(const WitnessedCall& call, Witnessed& record);
  Frame* explaining_frame(const WitnessedCall& call, Frame*& contradicting);
  const Coverage& coverage(int number);

  std::vector<FunctionTotals> totals(const std::vector<Counter>& counters);

  Sites sites_;
  Options options_;
  std::vector<RuleState> rules_;
  std::map<int, Coverage> coverage_;  // by number, until a rule is switched
  Trace trace_;
  HitLedger ledger_;
  std::unordered_map<std::uint64_t, Frame> open_;
  std::map<int, std::set<std::uint64_t>> open_by_call_;  // ids of frames that explain it
  std::unordered_map<std::uint64_t, Goroutine> goroutines_;
  std::deque<Frame> ended_;  // those of rules that explain calls
  std::vector<SiteTotals> site_totals_;
  std::size_t suspicious_kept_ = 0;
  std::size_t path_bytes_ = 0, suspicious_path_bytes_ = 0;
};

}  // namespace sandbox_run::hooks
