#include "hooks/joiner.h"

#include <fmt/format.h>

#include <algorithm>

#include "hooks/begun_calls.h"

namespace sandbox_run::hooks {
namespace {

std::string_view payload_of(const Slot& slot) {
  return {reinterpret_cast<const char*>(slot.payload), slot.payload_length};
}

bool is_suspicious(JoinVerdict verdict) {
  return verdict == JoinVerdict::unexplained || verdict == JoinVerdict::contradicted;
}

}  // namespace

Joiner::Joiner(const RuleSet& rules, Sites sites, Options options)
    : sites_(std::move(sites)), options_(std::move(options)), rules_(rules.rules.size()) {
  site_totals_.resize(sites_.sites.size());
  for (const Rule& rule : rules.rules) {
    trace_.rules.push_back(rule.name);
    rules_[rule.index].active = rule.active;
    rules_[rule.index].inputs = rule.inputs;
  }
  set_rules(rules);
  trace_.start_ns = options_.start_ns;
}

void Joiner::set_rules(const RuleSet& rules) {
  coverage_.clear();
  const auto& witnessed = options_.witnessed_calls;
  for (const Rule& rule : rules.rules) {
    RuleState& state = rules_[rule.index];
    state.sees_every_call = rule.sees_every_call();
    state.explains = rule.explains;
    state.all_calls_witnessed =
        rule.explains && std::all_of(rule.explains->numbers.begin(), rule.explains->numbers.end(), [&](int number) {
          return std::find(witnessed.begin(), witnessed.end(), number) != witnessed.end();
        });
  }
}

void Joiner::set_active(std::uint32_t rule, bool active, std::uint64_t now_ns) {
  coverage_.clear();
  if (rules_[rule].active != active) rules_[rule].since_ns = now_ns;
  rules_[rule].active = active;
}

void Joiner::note_change(TraceChange change) {
  constexpr std::size_t kMaxChanges = 10'000;
  if (trace_.changes.size() < kMaxChanges) trace_.changes.push_back(std::move(change));
}

void Joiner::set_losses(std::uint64_t dropped, std::uint64_t lost, std::uint64_t nonsense) {
  trace_.dropped = dropped;
  trace_.lost = lost;
  ForgeryCount& positions = trace_.forgeries[static_cast<std::size_t>(Forgery::ring_position)];
  if (nonsense > 0 && positions.count == 0)
    positions.example = "the ring's position moved back, or beyond what was read";
  positions.count = nonsense;
}

// ── the claimed lane ─────────────────────────────────────────────────────────────────────────────────────────────────

void Joiner::forged(Forgery kind, std::uint64_t position, const std::string& detail) {
  ForgeryCount& count = trace_.forgeries[static_cast<std::size_t>(kind)];
  if (count.count++ == 0) count.example = fmt::format("event {}: {}", position, detail);
}

// What no hook can have written; nothing for an event that one could.
std::optional<Forgery> Joiner::refuse(const Slot& slot, const Site* site, std::uint64_t position) const {
  if (!site || site->rule >= rules_.size()) return Forgery::unknown_site;
  const bool function = site->kind == SiteKind::function, counts = (site->options & kSiteCountOnly) != 0,
             aborts = (site->options & kSiteAborts) != 0;
  switch (slot.kind) {
    case SlotKind::enter:
      if (!function || counts || aborts) return Forgery::unknown_kind;
      if (slot.frame != position + 1) return Forgery::bad_frame;
      break;
    case SlotKind::exit:
      if (!site->has_exit() || counts || aborts) return Forgery::unknown_kind;
      if (slot.frame == 0 || slot.frame > position) return Forgery::bad_frame;
      break;
    case SlotKind::aborted:
      if (!function || !aborts) return Forgery::unknown_kind;
      if (slot.frame != 0) return Forgery::bad_frame;
      break;
    case SlotKind::point:
      if (function || counts) return Forgery::unknown_kind;
      if (slot.frame != 0) return Forgery::bad_frame;
      break;
    default:
      return Forgery::unknown_kind;  // the kind is a number of the program's
  }
  if (slot.payload_length > kPayloadSize || !decode_values(payload_of(slot))) return Forgery::malformed;
  return std::nullopt;
}

// The event's time, or the nearest one that is possible.
std::uint64_t Joiner::checked_time(const Slot& slot, Goroutine& own, std::uint64_t position,
                                   std::uint64_t received_ns) {
  std::uint64_t time_ns = slot.time_ns;
  if (time_ns > received_ns || time_ns < options_.start_ns) {
    forged(Forgery::time_in_future, position, fmt::format("time {} ns, received at {} ns", time_ns, received_ns));
    time_ns = std::clamp(time_ns, options_.start_ns, std::max(received_ns, options_.start_ns));
  }
  if (time_ns < own.last_ns) {
    forged(Forgery::time_backwards, position,
           fmt::format("goroutine {} went from {} ns to {} ns", slot.goroutine, own.last_ns, time_ns));
    time_ns = own.last_ns;
  }
  own.last_ns = time_ns;
  return time_ns;
}

Joiner::Goroutine& Joiner::goroutine(std::uint64_t id) {
  auto known = goroutines_.find(id);
  if (known != goroutines_.end()) return known->second;
  if (goroutines_.size() >= kMaxGoroutines)
    std::erase_if(goroutines_, [](const auto& entry) { return entry.second.frames.empty(); });
  return goroutines_[id];
}

void Joiner::take(std::uint64_t position, const Slot& slot, std::uint64_t received_ns) {
  const Site* site = sites_.find(slot.site);
  if (auto forgery = refuse(slot, site, position)) {
    return forged(*forgery, position,
                  site ? fmt::format("kind {} of {}", static_cast<std::uint32_t>(slot.kind), site->function)
                       : fmt::format("site 0x{:x}", slot.site));
  }
  const auto index = static_cast<std::uint32_t>(site - sites_.sites.data());
  Goroutine& own = goroutine(slot.goroutine);
  const std::uint64_t time_ns = checked_time(slot, own, position, received_ns);
  if (slot.kind == SlotKind::exit) {
    const auto begun = open_.find(slot.frame);
    claim(position, slot, begun != open_.end() ? begun->second.event : std::nullopt);
    return exit(position, slot, index, time_ns, own);
  }
  ++site_totals_[index].events;
  const bool aborted = slot.kind == SlotKind::aborted;
  site_totals_[index].aborted += aborted;
  const auto kind = slot.kind == SlotKind::enter ? TraceEvent::Kind::call
                    : aborted                    ? TraceEvent::Kind::aborted
                                                 : TraceEvent::Kind::point;
  const auto event = keep(kind, slot, index, time_ns);
  claim(position, slot, event);
  if (slot.kind == SlotKind::enter) enter(slot, index, time_ns, event, own);
}

std::optional<std::size_t> Joiner::keep(TraceEvent::Kind kind, const Slot& slot, std::uint32_t site,
                                        std::uint64_t time_ns) {
  ++trace_.events_counted;
  if (trace_.events.size() >= options_.max_events) return std::nullopt;
  TraceEvent event;
  event.kind = kind;
  event.site = site;
  event.frame = slot.frame;
  event.goroutine = slot.goroutine;
  event.start_ns = time_ns;
  event.arguments = payload_of(slot);
  event.flags = slot.flags;
  trace_.events.push_back(std::move(event));
  return trace_.events.size() - 1;
}

void Joiner::enter(const Slot& slot, std::uint32_t index, std::uint64_t time_ns, std::optional<std::size_t> event,
                   Goroutine& own) {
  const Site& site = sites_.sites[index];
  if (!site.has_exit()) return;
  if (open_.size() >= kMaxOpenFrames) {
    ++trace_.untracked_frames;
    return;
  }
  Frame frame;
  frame.id = slot.frame;
  frame.site = index;
  frame.goroutine = slot.goroutine;
  frame.enter_ns = time_ns;
  frame.event = event;
  if (const auto& explains = rules_[site.rule].explains) {
    frame.path = claimed_path(site, slot);
    for (int number : explains->numbers) open_by_call_[number].insert(frame.id);
  }
  ++site_totals_[index].open;
  own.frames.push_back(frame.id);
  open_.emplace(slot.frame, std::move(frame));
}

void Joiner::exit(std::uint64_t position, const Slot& slot, std::uint32_t index, std::uint64_t time_ns,
                  Goroutine& own) {
  const Site& site = sites_.sites[index];
  auto at = open_.find(slot.frame);
  if (at == open_.end()) {
    // Its beginning may be among what was lost, or beyond what is tracked.
    if (trace_.dropped || trace_.lost || trace_.untracked_frames) {
      ++trace_.unbalanced_frames;
    } else {
      forged(Forgery::exit_without_enter, position, fmt::format("{} ended frame {}", site.function, slot.frame));
    }
    return;
  }
  Frame& frame = at->second;
  if (frame.site != index)
    return forged(Forgery::bad_frame, position,
                  fmt::format("{} ended a frame of {}", site.function, sites_.sites[frame.site].function));
  if (frame.goroutine != slot.goroutine)
    return forged(
        Forgery::wrong_goroutine, position,
        fmt::format("{} began on goroutine {} and ended on {}", site.function, frame.goroutine, slot.goroutine));
  // What was called later and has not ended never will: its end is missing.
  while (!own.frames.empty() && own.frames.back() != frame.id) {
    ++trace_.unbalanced_frames;
    const std::uint64_t inner = own.frames.back();
    own.frames.pop_back();
    if (auto orphan = open_.find(inner); orphan != open_.end()) close(orphan, time_ns);
  }
  if (!own.frames.empty()) own.frames.pop_back();
  SiteTotals& totals = site_totals_[index];
  totals.time_ns += time_ns - frame.enter_ns;
  if (frame.event) {
    TraceEvent& event = trace_.events[*frame.event];
    event.duration_ns = time_ns - frame.enter_ns;
    event.results = payload_of(slot);
    event.flags |= slot.flags;
  }
  frame.owes_a_call = ended_well(site, slot);
  close(at, time_ns);
}

void Joiner::close(std::unordered_map<std::uint64_t, Frame>::iterator at, std::uint64_t time_ns) {
  Frame frame = std::move(at->second);
  open_.erase(at);
  --site_totals_[frame.site].open;
  frame.exit_ns = time_ns;
  bool explains = false;
  for (auto& [number, ids] : open_by_call_) explains |= ids.erase(frame.id) > 0;
  if (!explains) return;
  ended_.push_back(std::move(frame));
  if (ended_.size() > kMaxEnded) {
    settle(ended_.front());
    ended_.pop_front();
  }
}

// No call can be joined with the frame any more.
void Joiner::settle(const Frame& frame) {
  if (!frame.owes_a_call || frame.touched) return;
  ++trace_.without_effect;
  ++site_totals_[frame.site].without_effect;
  if (frame.event) trace_.events[*frame.event].without_effect = true;
}

// A nil error, of a function whose success always takes one of its rule's calls, with all of those witnessed.
bool Joiner::ended_well(const Site& site, const Slot& slot) const {
  const RuleState& rule = rules_[site.rule];
  if (!rule.explains || !rule.explains->always || !rule.all_calls_witnessed) return false;
  if (trace_.dropped || trace_.lost || (slot.flags & kSlotPanicking)) return false;
  const auto values = decode_values(payload_of(slot));
  for (const Value& value : *values)
    if (value.tag == ValueTag::nil && value.index >= kFirstResult &&
        value.index + 1u == kFirstResult + site.results.size())
      return true;
  return false;
}

std::optional<PathClaim> Joiner::claimed_path(const Site& site, const Slot& slot) const {
  const RuleState& rule = rules_[site.rule];
  if (slot.flags & kSlotMasked) return std::nullopt;
  const auto values = decode_values(payload_of(slot));
  for (const std::string& name : rule.explains->path)
    for (const Value& value : *values) {
      const std::size_t i = value.index;
      const bool named =
          (i < site.inputs.size() && site.inputs[i] == name) || (i < rule.inputs.size() && rule.inputs[i] == name);
      if (named && (value.tag == ValueTag::text || value.tag == ValueTag::bytes))
        return PathClaim{value.text, value.text.size() == value.word};
    }
  return std::nullopt;
}

// ── the kernel's word on hooks ───────────────────────────────────────────────────────────────────────────────────────

void Joiner::begin(std::uint64_t start_ns, bool has_hits) {
  options_.start_ns = trace_.start_ns = start_ns;
  if (has_hits) trace_.hits.emplace();
}

void Joiner::claim(std::uint64_t position, const Slot& slot, std::optional<std::size_t> event) {
  if (!trace_.hits) return;
  const HitLedger::Claim claim{position, slot.site, event, slot.kind == SlotKind::exit};
  if (const auto hit = ledger_.take(claim)) confirm(claim, *hit);
}

void Joiner::hit(const HookHit& hit) {
  if (const auto claim = ledger_.take(hit)) confirm(*claim, hit);
}

void Joiner::confirm(const HitLedger::Claim& claim, const HookHit& hit) {
  if (hit.site != claim.site) {
    const Site* ran = sites_.find(hit.site);
    return forged(Forgery::unwitnessed, claim.position,
                  fmt::format("of {}, and the hook that ran is that of {}", sites_.find(claim.site)->function,
                              ran ? ran->function : fmt::format("no site (0x{:x})", hit.site)));
  }
  if (!claim.event) return;
  TraceEvent& event = trace_.events[*claim.event];
  if (!claim.is_end) {
    event.hit = EventHit{static_cast<std::int32_t>(hit.thread), hit.time_ns, std::nullopt};
  } else if (event.hit) {
    event.hit->end_ns = hit.time_ns;
  }
}

void Joiner::settle_hits(std::uint64_t counted, std::uint64_t lost) {
  trace_.hits->counted = counted;
  trace_.hits->lost = lost;
  for (const HitLedger::Claim& claim : ledger_.settle()) {
    if (lost > 0) {
      ++trace_.hits->unaccounted;
    } else {
      forged(Forgery::unwitnessed, claim.position, fmt::format("of {}", sites_.find(claim.site)->function));
    }
  }
}

void Joiner::set_begun(const std::vector<CallCount>& counts, std::uint64_t lost) {
  trace_.begun = BegunCalls{places_of(counts, sites_), lost};
}

// ── the witnessed lane ───────────────────────────────────────────────────────────────────────────────────────────────

JoinVerdict Joiner::witness(const WitnessedCall& call) {
  Witnessed record;
  record.call = call;
  record.verdict = judge(call, record);
  record.after_loss = trace_.dropped > 0 || trace_.lost > 0 || trace_.untracked_frames > 0;
  ++trace_.witnessed_counted;
  ++trace_.verdicts[static_cast<std::size_t>(record.verdict)];
  const JoinVerdict verdict = record.verdict;
  // The room for suspicious calls is their own: a flood of harmless ones does not hide them.
  const bool suspicious = is_suspicious(verdict);
  const std::size_t kept = suspicious ? suspicious_kept_ : trace_.witnessed.size() - suspicious_kept_;
  std::size_t& path_bytes = suspicious ? suspicious_path_bytes_ : path_bytes_;
  if (kept < options_.max_events && path_bytes < kMaxPathBytes) {
    suspicious_kept_ += suspicious;
    constexpr std::size_t kMaxPath = 4096;
    if (record.call.path && record.call.path->size() > kMaxPath) record.call.path->resize(kMaxPath);
    path_bytes += record.call.path ? record.call.path->size() : 0;
    trace_.witnessed.push_back(std::move(record));
  }
  return verdict;
}

JoinVerdict Joiner::judge(const WitnessedCall& call, Witnessed& record) {
  const auto made_in = [&](const std::vector<std::uint64_t>& returns) {
    return std::binary_search(returns.begin(), returns.end(), call.instruction_pointer);
  };
  const Sites::RuntimeCall* runtime = sites_.runtime_call(call.instruction_pointer);
  const bool by_runtime = runtime != nullptr && runtime->number == call.number;
  const bool runtime_path = call.path && is_runtime_path(*call.path);
  const bool has_path = path_argument(call.number).has_value();
  if (by_runtime && (!has_path || (!call.path && !call.path_unmapped) || runtime_path)) {
    record.why = "the Go runtime made it by a function of its own";
    return JoinVerdict::runtime;
  }
  if (runtime != nullptr && !by_runtime) {
    record.why = fmt::format("the instruction before 0x{:x} is the Go runtime's, and for {} only",
                             call.instruction_pointer, call_name(runtime->number));
    return JoinVerdict::unexplained;
  }
  if (!by_runtime && !sites_.system_call_returns.empty() && !made_in(sites_.system_call_returns)) {
    record.why =
        fmt::format("the instruction before 0x{:x} is not one of Go's for this call", call.instruction_pointer);
    return JoinVerdict::unexplained;
  }
  Frame* contradicting = nullptr;
  if (Frame* frame = by_runtime ? nullptr : explaining_frame(call, contradicting)) {
    record.frame = frame->id;
    record.site = frame->site;
    return JoinVerdict::explained;
  }
  if (runtime_path) {
    record.why = "the Go runtime reads this file by itself";
    return JoinVerdict::runtime;
  }
  const Coverage& covering = coverage(call.number);
  if (!covering.rule || call.time_ns < covering.from_ns) {
    record.why = fmt::format("no active rule sees every call of what makes {}", call_name(call.number));
    return JoinVerdict::uncovered;
  }
  if (contradicting) {
    record.frame = contradicting->id;
    record.site = contradicting->site;
    record.why = fmt::format("{} says it is about '{}'", sites_.sites[contradicting->site].function,
                             contradicting->path ? contradicting->path->text : "");
    return JoinVerdict::contradicted;
  }
  record.why = fmt::format("no function that rule {} hooks was being called", trace_.rules[*covering.rule]);
  return JoinVerdict::unexplained;
}

// The newest frame that fits the call, one that no call was joined with before others. All that fit are touched: which
// of them made the call only the program knows.
Joiner::Frame* Joiner::explaining_frame(const WitnessedCall& call, Frame*& contradicting) {
  Frame* chosen = nullptr;
  bool chosen_was_touched = false;
  auto consider = [&](Frame& frame) {
    if (frame.path && !may_be_same(*frame.path, call)) {
      if (!contradicting) contradicting = &frame;
      return;
    }
    if (!chosen || (chosen_was_touched && !frame.touched)) {
      chosen = &frame;
      chosen_was_touched = frame.touched;
    }
    frame.touched = true;
  };
  if (auto ids = open_by_call_.find(call.number); ids != open_by_call_.end()) {
    std::size_t looked_at = 0;
    for (auto id = ids->second.rbegin(); id != ids->second.rend() && looked_at < kMaxCandidates; ++id, ++looked_at)
      if (auto frame = open_.find(*id); frame != open_.end()) consider(frame->second);
  }
  // A call that is reported late may belong to a frame that has ended since.
  for (auto frame = ended_.rbegin(); frame != ended_.rend(); ++frame) {
    const auto& explains = rules_[sites_.sites[frame->site].rule].explains;
    if (frame->enter_ns <= call.time_ns && call.time_ns <= frame->exit_ns && explains &&
        std::find(explains->numbers.begin(), explains->numbers.end(), call.number) != explains->numbers.end())
      consider(*frame);
  }
  return chosen;
}

// Whether the functions behind calls of this number would all have been recorded, had they been called. Every one that
// is in the program has to be: which of them an unknown caller stands for nobody can say.
const Joiner::Coverage& Joiner::coverage(int number) {
  if (const auto known = coverage_.find(number); known != coverage_.end()) return known->second;
  auto explains = [&](const RuleState& state) {
    return state.explains && std::find(state.explains->numbers.begin(), state.explains->numbers.end(), number) !=
                                 state.explains->numbers.end();
  };
  // By the rule that sees all of its calls for the longest.
  auto better = [&](std::optional<std::uint32_t> than, std::uint32_t rule) -> std::optional<std::uint32_t> {
    const RuleState& state = rules_[rule];
    if (!state.active || !state.sees_every_call || !explains(state)) return than;
    return !than || state.since_ns < rules_[*than].since_ns ? rule : *than;
  };
  std::map<std::string_view, std::optional<std::uint32_t>> functions;
  for (const Site& site : sites_.sites)
    if (site.rule < rules_.size() && explains(rules_[site.rule])) {
      auto& rule = functions[site.function];
      rule = better(rule, site.rule);
    }
  Coverage& found = coverage_[number];
  if (functions.empty())  // none of them is in the program, so that nothing in it has a reason to make the call
    for (std::uint32_t rule = 0; rule < rules_.size(); ++rule) found.rule = better(found.rule, rule);
  for (const auto& [name, rule] : functions) {
    if (!rule) return found = {};
    if (!found.rule || rules_[*rule].since_ns > rules_[*found.rule].since_ns) found.rule = rule;
  }
  if (found.rule && rules_[*found.rule].since_ns != 0) found.from_ns = rules_[*found.rule].since_ns + kSettle_ns;
  return found;
}

// ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────

std::vector<FunctionTotals> Joiner::totals(const std::vector<Counter>& counters) {
  std::map<std::string, FunctionTotals> by_function;
  std::vector<std::uint64_t> calls(sites_.sites.size());
  for (std::size_t i = 0; i < calls.size(); ++i) calls[i] = site_totals_[i].events;
  for (const Counter& counter : counters) {
    const Site* site = sites_.find(counter.site);
    ForgeryCount& unknown = trace_.forgeries[static_cast<std::size_t>(Forgery::unknown_counter)];
    ForgeryCount& mismatch = trace_.forgeries[static_cast<std::size_t>(Forgery::counter_mismatch)];
    if (!site) {
      if (unknown.count++ == 0) unknown.example = fmt::format("site 0x{:x}", counter.site);
      continue;
    }
    // A hook counts before it writes its event.
    std::uint64_t& seen = calls[static_cast<std::size_t>(site - sites_.sites.data())];
    if (counter.count < seen && mismatch.count++ == 0)
      mismatch.example = fmt::format("{}: {} events, and {} counted", site->function, seen, counter.count);
    seen = std::max(seen, counter.count);
  }
  // Rules that hook the same function see the same calls: it counts once, as the one that saw the most of each says.
  // Hooked places in a function are each something else.
  std::map<std::pair<std::string, std::uint32_t>, FunctionTotals> by_rule;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Site& site = sites_.sites[i];
    if (calls[i] == 0) continue;
    FunctionTotals& totals =
        site.kind == SiteKind::function ? by_rule[{site.function, site.rule}] : by_function[site.function];
    totals.function = site.function;
    totals.calls += calls[i];
    totals.aborted += site_totals_[i].aborted;
    totals.time_ns += site_totals_[i].time_ns;
    totals.open += site_totals_[i].open;
    totals.without_effect += site_totals_[i].without_effect;
  }
  constexpr std::array kFigures = {&FunctionTotals::calls, &FunctionTotals::aborted, &FunctionTotals::time_ns,
                                   &FunctionTotals::open, &FunctionTotals::without_effect};
  for (auto at = by_rule.begin(); at != by_rule.end();) {
    FunctionTotals most = std::move(at->second);
    for (++at; at != by_rule.end() && at->first.first == most.function; ++at)
      for (auto figure : kFigures) most.*figure = std::max(most.*figure, at->second.*figure);
    FunctionTotals& totals = by_function[most.function];
    totals.function = most.function;
    for (auto figure : kFigures) totals.*figure += most.*figure;
  }
  std::vector<FunctionTotals> sorted;
  for (auto& [name, one] : by_function) sorted.push_back(std::move(one));
  std::stable_sort(sorted.begin(), sorted.end(), [](const FunctionTotals& a, const FunctionTotals& b) {
    return a.time_ns != b.time_ns ? a.time_ns > b.time_ns : a.calls > b.calls;
  });
  return sorted;
}

Trace Joiner::finish(const std::vector<Counter>& counters, std::uint64_t end_ns) {
  for (const Frame& frame : ended_) settle(frame);
  trace_.open_frames = open_.size();
  trace_.functions = totals(counters);
  if (trace_.hits) trace_.hits->unclaimed = ledger_.unclaimed();
  trace_.sites = std::move(sites_.sites);
  trace_.end_ns = end_ns;
  return std::move(trace_);
}

}  // namespace sandbox_run::hooks
