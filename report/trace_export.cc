#include "report/trace_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "base/units.h"
#include "report/report.h"
#include "report/trace_json.h"

namespace sandbox_run::report {
namespace {

using hooks::Trace;
using hooks::TraceEvent;
using hooks::Value;
using hooks::ValueTag;
using hooks::Witnessed;
using nlohmann::ordered_json;

// Bytes that are no UTF-8 become U+FFFD: what the program put there must not keep the rest from being read.
std::string line_of(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string hexadecimal(std::string_view bytes) {
  std::string text;
  for (unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

// The functions that one return address stands for, innermost first; just the address where none is known.
void add_places(const Trace& trace, std::uint64_t address, ordered_json& stack) {
  const std::string counter = fmt::format("0x{:x}", address);
  const auto known = trace.places.find(address);
  if (known == trace.places.end() || known->second.empty()) {
    stack.push_back({{"pc", counter}});
    return;
  }
  for (const hooks::CodePlace& place : known->second) {
    stack.push_back({{"pc", counter}, {"function", place.function}, {"file", place.file}, {"line", place.line}});
    if (&place != &known->second.back()) stack.back()["inlined"] = true;
  }
}

ordered_json json_of(const Trace& trace, const Value& value) {
  switch (value.tag) {
    case ValueTag::signed_integer:
      return value.integer;
    case ValueTag::unsigned_integer:
      return value.word;
    case ValueTag::floating:
      if (!std::isfinite(value.real)) return fmt::format("{}", value.real);
      return value.real;
    case ValueTag::boolean:
      return value.integer != 0;
    case ValueTag::text:
      if (value.text.size() < value.word) return {{"text", value.text}, {"length", value.word}};
      return value.text;
    case ValueTag::bytes:
      return {{"hex", hexadecimal(value.text)}, {"length", value.word}};
    case ValueTag::error:
      return {{"error", value.text}};
    case ValueTag::nil:
      return nullptr;
    case ValueTag::pointer:
      return fmt::format("0x{:x}", value.word);
    case ValueTag::other:
      return {{"size", value.word}, {"hex", hexadecimal(value.text)}};
    case ValueTag::stack: {
      ordered_json stack = ordered_json::array();
      for (std::uint64_t address : value.stack) add_places(trace, address, stack);
      return stack;
    }
  }
  return nullptr;
}

std::string name_of(const Value& value, const hooks::Site& site) {
  if (value.tag == ValueTag::stack) return "stack";
  const bool result = value.index >= hooks::kFirstResult;
  const auto& names = result ? site.results : site.inputs;
  const std::size_t i = result ? value.index - hooks::kFirstResult : value.index;
  const bool named = i < names.size() && !names[i].empty() && names[i] != "stack";  // that is the recorded stack's
  return named ? names[i] : fmt::format("#{}", i);
}

ordered_json values_of(const Trace& trace, const std::string& payload, const hooks::Site& site) {
  ordered_json json = ordered_json::object();
  if (const auto values = hooks::decode_values(payload))
    for (const Value& value : *values) json[name_of(value, site)] = json_of(trace, value);
  return json;
}

ordered_json flags_of(std::uint16_t flags) {
  ordered_json names = ordered_json::array();
  if (flags & hooks::kSlotTruncated) names.push_back("truncated");
  if (flags & hooks::kSlotMasked) names.push_back("masked");
  if (flags & hooks::kSlotPanicking) names.push_back("panicking");
  return names;
}

std::string_view kind_of(TraceEvent::Kind kind) {
  switch (kind) {
    case TraceEvent::Kind::call:
      return "call";
    case TraceEvent::Kind::aborted:
      return "aborted";
    case TraceEvent::Kind::point:
      return "point";
  }
  return "";
}

std::uint64_t since_start(const Trace& trace, std::uint64_t time_ns) {
  return time_ns > trace.start_ns ? time_ns - trace.start_ns : 0;
}

std::string rule_of(const Trace& trace, const hooks::Site& site) {
  return site.rule < trace.rules.size() ? trace.rules[site.rule] : "";
}

ordered_json json_of(const Trace& trace, const TraceEvent& event) {
  const hooks::Site& site = trace.sites[event.site];
  ordered_json json = {{"type", "event"},
                       {"lane", "claimed"},
                       {"kind", kind_of(event.kind)},
                       {"time_ns", since_start(trace, event.start_ns)},
                       {"goroutine", event.goroutine},
                       {"rule", rule_of(trace, site)},
                       {"function", site.function},
                       {"file", site.file},
                       {"line", site.line}};
  if (event.frame) json["frame"] = event.frame;
  if (event.duration_ns) json["duration_ns"] = *event.duration_ns;
  json["arguments"] = values_of(trace, event.arguments, site);
  if (event.duration_ns) json["results"] = values_of(trace, event.results, site);
  if (event.hit) {
    json["hit"] = {{"thread", event.hit->thread}, {"time_ns", since_start(trace, event.hit->time_ns)}};
    if (event.hit->end_ns) json["hit"]["end_ns"] = since_start(trace, *event.hit->end_ns);
  }
  if (event.flags) json["flags"] = flags_of(event.flags);
  if (event.without_effect) json["without_effect"] = true;
  return json;
}

ordered_json json_of(const Trace& trace, const Witnessed& witnessed) {
  const hooks::WitnessedCall& call = witnessed.call;
  ordered_json json = {{"type", "call"},
                       {"lane", "witnessed"},
                       {"time_ns", since_start(trace, call.time_ns)},
                       {"thread", call.thread},
                       {"syscall", hooks::call_name(call.number)},
                       {"number", call.number},
                       {"instruction_pointer", fmt::format("0x{:x}", call.instruction_pointer)},
                       {"verdict", hooks::name_of(witnessed.verdict)}};
  if (call.path) json["path"] = *call.path;
  if (call.denied) json["denied"] = true;
  if (witnessed.frame) {
    json["frame"] = *witnessed.frame;
    json["function"] = trace.sites[witnessed.site].function;
  }
  if (!witnessed.why.empty()) json["why"] = witnessed.why;
  if (witnessed.after_loss) json["after_loss"] = true;
  return json;
}

ordered_json json_of(const hooks::CallPlace& place) {
  ordered_json json = {{"type", "begun"},
                       {"lane", "witnessed"},
                       {"syscall", place.name},
                       {"number", place.number},
                       {"instruction_pointer", fmt::format("0x{:x}", place.instruction_pointer)},
                       {"maker", hooks::name_of(place.maker)},
                       {"count", place.count}};
  if (!place.functions.empty()) {
    const hooks::CodePlace& code = place.functions.front();
    json["function"] = code.function;
    json["file"] = code.file;
    json["line"] = code.line;
  }
  return json;
}

ordered_json summary_json(const Trace& trace) {
  ordered_json verdicts = ordered_json::object();
  for (std::size_t i = 0; i < std::size(hooks::kJoinVerdictValues); ++i)
    verdicts[std::string(hooks::name_of(static_cast<hooks::JoinVerdict>(i)))] = trace.verdicts[i];
  ordered_json forgeries = ordered_json::array();
  for (std::size_t i = 0; i < std::size(hooks::kForgeryValues); ++i)
    if (const auto& one = trace.forgeries[i]; one.count > 0)
      forgeries.push_back({{"kind", hooks::name_of(static_cast<hooks::Forgery>(i))},
                           {"meaning", hooks::meaning_of(static_cast<hooks::Forgery>(i))},
                           {"count", one.count},
                           {"example", one.example}});
  ordered_json functions = ordered_json::array();
  for (const hooks::FunctionTotals& one : trace.functions)
    functions.push_back({{"function", one.function},
                         {"calls", one.calls},
                         {"time_ns", one.time_ns},
                         {"aborted", one.aborted},
                         {"open", one.open},
                         {"without_effect", one.without_effect}});
  ordered_json json = {{"type", "summary"},
                       {"duration_ns", since_start(trace, trace.end_ns)},
                       {"events", trace.events_counted},
                       {"events_kept", trace.events.size()},
                       {"calls", trace.witnessed_counted},
                       {"calls_kept", trace.witnessed.size()},
                       {"verdicts", verdicts},
                       {"without_effect", trace.without_effect},
                       {"dropped", trace.dropped},
                       {"lost", trace.lost},
                       {"open_frames", trace.open_frames},
                       {"unbalanced_frames", trace.unbalanced_frames},
                       {"untracked_frames", trace.untracked_frames},
                       {"forgeries", forgeries},
                       {"functions", functions}};
  add_witnesses(trace, json);
  return json;
}

// Both lanes in the order of time.
template <class OnEvent, class OnCall>
void in_order(const Trace& trace, OnEvent on_event, OnCall on_call) {
  auto event = trace.events.begin();
  auto call = trace.witnessed.begin();
  while (event != trace.events.end() || call != trace.witnessed.end()) {
    const bool event_is_next =
        call == trace.witnessed.end() || (event != trace.events.end() && event->start_ns <= call->call.time_ns);
    event_is_next ? on_event(*event++) : on_call(*call++);
  }
}

// ── Chrome trace ─────────────────────────────────────────────────────────────────────────────────────────────────────
// Source: "Trace Event Format" of the Catapult project: times are microseconds; X is a span, i an instant, M metadata.

constexpr int kClaimedLane = 1, kWitnessedLane = 2;

double microseconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1000; }

// Viewers keep thread ids in 32 bits, and a goroutine's number is whatever the program says.
std::uint64_t track(std::uint64_t goroutine) { return goroutine % 0x7fffffff; }

ordered_json chrome_event(const Trace& trace, const TraceEvent& event) {
  const hooks::Site& site = trace.sites[event.site];
  ordered_json json = {{"name", site.function},
                       {"cat", kind_of(event.kind)},
                       {"pid", kClaimedLane},
                       {"tid", track(event.goroutine)},
                       {"ts", microseconds(since_start(trace, event.start_ns))}};
  const bool span = event.kind == TraceEvent::Kind::call && (event.duration_ns || site.has_exit());
  if (span) {
    json["ph"] = "X";
    const std::uint64_t left = trace.end_ns > event.start_ns ? trace.end_ns - event.start_ns : 0;
    json["dur"] = microseconds(event.duration_ns.value_or(left));
  } else {
    json["ph"] = "i";
    json["s"] = "t";
  }
  if (event.kind == TraceEvent::Kind::aborted || event.without_effect) json["cname"] = "bad";
  ordered_json more = {{"rule", rule_of(trace, site)}, {"at", fmt::format("{}:{}", site.file, site.line)}};
  more["arguments"] = values_of(trace, event.arguments, site);
  if (event.duration_ns) more["results"] = values_of(trace, event.results, site);
  if (span && !event.duration_ns) more["open_at_the_end"] = true;
  if (event.without_effect) more["without_effect"] = true;
  json["args"] = std::move(more);
  return json;
}

ordered_json chrome_call(const Trace& trace, const Witnessed& witnessed) {
  const hooks::WitnessedCall& call = witnessed.call;
  const bool suspicious =
      witnessed.verdict == hooks::JoinVerdict::unexplained || witnessed.verdict == hooks::JoinVerdict::contradicted;
  ordered_json more = {{"verdict", hooks::name_of(witnessed.verdict)},
                       {"instruction_pointer", fmt::format("0x{:x}", call.instruction_pointer)}};
  if (call.path) more["path"] = *call.path;
  if (!witnessed.why.empty()) more["why"] = witnessed.why;
  if (witnessed.frame) more["function"] = trace.sites[witnessed.site].function;
  if (call.denied) more["denied"] = true;
  return {{"name", hooks::call_name(call.number)},
          {"cat", hooks::name_of(witnessed.verdict)},
          {"ph", "i"},
          {"s", "t"},
          {"pid", kWitnessedLane},
          {"tid", call.thread},
          {"ts", microseconds(since_start(trace, call.time_ns))},
          {"cname", suspicious ? "terrible" : "good"},
          {"args", std::move(more)}};
}

// ── terminal ─────────────────────────────────────────────────────────────────────────────────────────────────────────

std::string time_text(std::uint64_t nanoseconds) {
  if (nanoseconds < 10'000) return fmt::format("{} ns", nanoseconds);
  return format_duration(std::chrono::microseconds(nanoseconds / 1000));
}

// "1 event", "2 events"
std::string counted(std::uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

void add_functions(const Trace& trace, std::size_t top, std::string& text) {
  if (trace.functions.empty()) return;
  text += fmt::format("  {:<44} {:>10} {:>10} {:>10} {:>8}\n", "function", "calls", "time", "mean", "aborted");
  for (std::size_t i = 0; i < std::min(top, trace.functions.size()); ++i) {
    const hooks::FunctionTotals& one = trace.functions[i];
    const std::uint64_t ended = one.calls - std::min(one.calls, one.open + one.aborted);
    text += fmt::format("  {:<44} {:>10} {:>10} {:>10} {:>8}\n", escape_line(one.function), one.calls,
                        one.time_ns ? time_text(one.time_ns) : "-",
                        one.time_ns && ended ? time_text(one.time_ns / ended) : "-", one.aborted);
  }
  if (trace.functions.size() > top) text += fmt::format("  and {} more\n", trace.functions.size() - top);
}

void add_suspicious(const Trace& trace, std::size_t top, std::string& text) {
  const std::uint64_t all =
      trace.count(hooks::JoinVerdict::unexplained) + trace.count(hooks::JoinVerdict::contradicted);
  if (all == 0) return;
  text += "system calls that the events do not account for:\n";
  std::size_t shown = 0;
  for (const Witnessed& one : trace.witnessed) {
    if (one.verdict != hooks::JoinVerdict::unexplained && one.verdict != hooks::JoinVerdict::contradicted) continue;
    if (shown++ == top) break;
    text += fmt::format(
        "  +{} {}{}{}: {}: {}{}\n", time_text(since_start(trace, one.call.time_ns)), hooks::call_name(one.call.number),
        one.call.path ? " '" + escape_line(*one.call.path) + "'" : "", one.call.denied ? " (denied)" : "",
        hooks::name_of(one.verdict), escape_line(one.why), one.after_loss ? " (events had been lost before)" : "");
  }
  if (all > std::min(shown, top)) text += fmt::format("  and {} more\n", all - std::min(shown, top));
}

void add_witnesses(const Trace& trace, std::size_t top, std::string& text) {
  for (const hooks::Witness& one : trace.witnesses)
    if (!one.present && one.name != "seccomp") text += fmt::format("no {}: {}\n", one.name, escape_line(one.why));
  if (trace.hits) {
    text += fmt::format("uprobe: {} ran{}\n", counted(trace.hits->counted, "hook"),
                        trace.hits->lost ? fmt::format(", of {} it had no room to say more", trace.hits->lost) : "");
    if (trace.hits->unaccounted > 0)
      text += fmt::format("no hook can be told for {}, which may be among those\n",
                          counted(trace.hits->unaccounted, "event"));
  }
  if (!trace.begun) return;
  text += fmt::format("tracepoint: {} began{}\n", counted(trace.begun->count(), "system call"),
                      trace.begun->lost ? fmt::format(", of {} it had no room to say more", trace.begun->lost) : "");
  const std::uint64_t own = trace.begun->count_by(hooks::CallMaker::own);
  if (own == 0) return;
  text += fmt::format("{} by instructions that are not Go's:\n", counted(own, "system call"));
  std::size_t shown = 0;
  for (const hooks::CallPlace& one : trace.begun->places) {
    if (one.maker != hooks::CallMaker::own) continue;
    if (shown++ == top) break;
    text += fmt::format("  {} ×{} at 0x{:x}", one.name.empty() ? fmt::format("call {}", one.number) : one.name,
                        one.count, one.instruction_pointer);
    if (!one.functions.empty())
      text += fmt::format(" in {} ({}:{})", escape_line(one.functions.front().function),
                          escape_line(one.functions.front().file), one.functions.front().line);
    text += '\n';
  }
}

void add_doubts(const Trace& trace, std::string& text) {
  if (trace.without_effect > 0)
    text +=
        fmt::format("{} claimed success without the system call that takes\n", counted(trace.without_effect, "call"));
  if (trace.dropped + trace.lost > 0)
    text +=
        fmt::format("lost: {} dropped by the program (its own count), {} never finished\n", trace.dropped, trace.lost);
  if (trace.unbalanced_frames + trace.untracked_frames > 0)
    text += fmt::format("{} did not end in order, {} beyond what is followed\n",
                        counted(trace.unbalanced_frames, "call"), trace.untracked_frames);
  for (std::size_t i = 0; i < std::size(hooks::kForgeryValues); ++i)
    if (const auto& one = trace.forgeries[i]; one.count > 0)
      text += fmt::format("forged: {} (×{}; {})\n", hooks::meaning_of(static_cast<hooks::Forgery>(i)), one.count,
                          escape_line(one.example));
  if (trace.events_counted > trace.events.size())
    text += fmt::format("the first {} are kept, all are counted\n", counted(trace.events.size(), "event"));
}

}  // namespace

void write_json_lines(const Trace& trace, const TextSink& sink) {
  auto put = [&](const ordered_json& json) { sink(line_of(json) + "\n"); };
  put({{"type", "trace"},
       {"schema", "sandbox-run/trace/v1"},
       {"start_monotonic_ns", trace.start_ns},
       {"rules", trace.rules},
       {"sites", trace.sites.size()}});
  for (const hooks::TraceChange& change : trace.changes)
    put({{"type", "change"},
         {"time_ns", since_start(trace, change.time_ns)},
         {"action", change.action},
         {"rule", change.rule},
         {"uid", change.uid}});
  in_order(
      trace, [&](const TraceEvent& event) { put(json_of(trace, event)); },
      [&](const Witnessed& call) { put(json_of(trace, call)); });
  if (trace.begun)
    for (const hooks::CallPlace& place : trace.begun->places) put(json_of(place));
  put(summary_json(trace));
}

void write_chrome_trace(const Trace& trace, const TextSink& sink) {
  auto lane = [&](int pid, const char* name) {
    return line_of({{"name", "process_name"}, {"ph", "M"}, {"pid", pid}, {"tid", 0}, {"args", {{"name", name}}}});
  };
  sink("[\n" + lane(kClaimedLane, "claimed by the program (a track for each goroutine)"));
  sink(",\n" + lane(kWitnessedLane, "witnessed by the kernel (a track for each thread)"));
  for (const hooks::TraceChange& change : trace.changes)
    sink(",\n" + line_of({{"name", change.action + " " + change.rule},
                          {"ph", "i"},
                          {"s", "g"},
                          {"pid", kClaimedLane},
                          {"tid", 0},
                          {"ts", microseconds(since_start(trace, change.time_ns))}}));
  in_order(
      trace, [&](const TraceEvent& event) { sink(",\n" + line_of(chrome_event(trace, event))); },
      [&](const Witnessed& call) { sink(",\n" + line_of(chrome_call(trace, call))); });
  sink("\n]\n");
}

std::string trace_summary(const Trace& trace, std::size_t top) {
  std::string text =
      fmt::format("trace: {} claimed by the program, {} witnessed by the kernel\n",
                  counted(trace.events_counted, "event"), counted(trace.witnessed_counted, "system call"));
  add_functions(trace, top, text);
  if (trace.witnessed_counted > 0) {
    text += "join:";
    for (std::size_t i = 0; i < std::size(hooks::kJoinVerdictValues); ++i)
      if (trace.verdicts[i] > 0)
        text += fmt::format(" {} {}", trace.verdicts[i], hooks::name_of(static_cast<hooks::JoinVerdict>(i)));
    text += '\n';
  }
  add_suspicious(trace, top, text);
  add_witnesses(trace, top, text);
  add_doubts(trace, text);
  if (!trace.changes.empty()) text += fmt::format("switched from outside {}\n", counted(trace.changes.size(), "time"));
  return text;
}

}  // namespace sandbox_run::report
