#include "report/trace_export.h"

#include <gmock/gmock.h>
#include <sys/syscall.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "hooks/testing/program.h"

namespace sandbox_run::report {
namespace {

using hooks::TraceEvent;
using hooks::Witnessed;
using testing::HasSubstr;
using testing::Not;

hooks::Trace sample() {
  hooks::Trace trace;
  trace.start_ns = 1'000'000;
  trace.end_ns = 9'000'000;
  trace.rules = {"open", "no-exec"};
  hooks::Site site;
  site.function = "os.OpenFile";
  site.file = "os/file.go";
  site.line = 385;
  site.options = hooks::kSiteHasExit;
  site.inputs = {"name", "flag"};
  site.results = {"err"};
  trace.sites.push_back(site);
  site.function = "os.StartProcess";
  site.rule = 1;
  site.options = hooks::kSiteAborts;
  trace.sites.push_back(site);
  TraceEvent call;
  call.frame = 1;
  call.goroutine = 7;
  call.start_ns = 2'000'000;
  call.duration_ns = 1500;
  call.arguments = hooks::text_value(0, "/etc/\xff\"\x1b[31m") + hooks::integer_value(1, -2);
  call.results = hooks::nil_value(128);
  trace.events.push_back(call);
  TraceEvent aborted;
  aborted.kind = TraceEvent::Kind::aborted;
  aborted.site = 1;
  aborted.goroutine = ~0ull;
  aborted.start_ns = 4'000'000;
  aborted.arguments = hooks::text_value(0, "/bin/sh-and-so", 300);
  aborted.flags = hooks::kSlotTruncated;
  trace.events.push_back(aborted);
  trace.events_counted = 5;
  Witnessed witnessed;
  witnessed.call.number = SYS_openat;
  witnessed.call.thread = 42;
  witnessed.call.time_ns = 3'000'000;
  witnessed.call.path = "/etc/passwd\n\x1b[2J";
  witnessed.verdict = hooks::JoinVerdict::unexplained;
  witnessed.why = "no function that rule open hooks was being called";
  trace.witnessed.push_back(witnessed);
  trace.witnessed_counted = 1;
  trace.verdicts[static_cast<std::size_t>(hooks::JoinVerdict::unexplained)] = 1;
  trace.functions.push_back({.function = "os.OpenFile", .calls = 4, .time_ns = 6000});
  trace.functions.push_back({.function = "os.StartProcess", .calls = 1, .aborted = 1});
  trace.dropped = 3;
  trace.forgeries[0] = {.count = 2, .example = "event 1: \x1b]0;x"};
  trace.changes.push_back({.time_ns = 2'500'000, .action = "detach", .rule = "open", .uid = 0});
  return trace;
}

std::vector<nlohmann::json> lines_of(const std::string& text) {
  std::vector<nlohmann::json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(nlohmann::json::parse(line, nullptr, false));
    EXPECT_FALSE(lines.back().is_discarded()) << line;
  }
  return lines;
}

template <class Write>
std::string written(Write write) {
  std::string text;
  write(sample(), [&](std::string_view piece) { text += piece; });
  return text;
}

TEST(TraceExport, JsonLinesHoldBothLanesInTheOrderOfTime) {
  auto lines = lines_of(written([](const auto& trace, const auto& sink) { write_json_lines(trace, sink); }));
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0]["schema"], "sandbox-run/trace/v1");
  EXPECT_EQ(lines[1]["action"], "detach");
  EXPECT_EQ(lines[2]["function"], "os.OpenFile");
  EXPECT_EQ(lines[2]["time_ns"], 1'000'000);
  EXPECT_EQ(lines[2]["duration_ns"], 1500);
  EXPECT_EQ(lines[2]["arguments"]["name"], "/etc/\xef\xbf\xbd\"\x1b[31m");
  EXPECT_EQ(lines[2]["arguments"]["flag"], -2);
  EXPECT_TRUE(lines[2]["results"]["err"].is_null());
  EXPECT_EQ(lines[3]["type"], "call");
  EXPECT_EQ(lines[3]["syscall"], "openat");
  EXPECT_EQ(lines[3]["verdict"], "unexplained");
  EXPECT_EQ(lines[4]["kind"], "aborted");
  EXPECT_EQ(lines[4]["arguments"]["name"]["length"], 300);
  EXPECT_EQ(lines[4]["flags"][0], "truncated");
  EXPECT_EQ(lines[5]["type"], "summary");
  EXPECT_EQ(lines[5]["verdicts"]["unexplained"], 1);
  EXPECT_EQ(lines[5]["forgeries"][0]["kind"], "unknown site");
  EXPECT_EQ(lines[5]["dropped"], 3);
}

TEST(TraceExport, TheChromeTraceIsOneArrayWithTwoLanes) {
  auto json = nlohmann::json::parse(
      written([](const auto& trace, const auto& sink) { write_chrome_trace(trace, sink); }), nullptr, false);
  ASSERT_TRUE(json.is_array());
  ASSERT_EQ(json.size(), 6u);
  EXPECT_EQ(json[0]["ph"], "M");
  EXPECT_EQ(json[3]["ph"], "X");
  EXPECT_EQ(json[3]["dur"], 1.5);
  EXPECT_EQ(json[3]["ts"], 1000.0);
  EXPECT_EQ(json[4]["pid"], 2);
  EXPECT_EQ(json[4]["tid"], 42);
  EXPECT_EQ(json[4]["cname"], "terrible");
  EXPECT_LT(json[5]["tid"].get<std::uint64_t>(), 1u << 31) << "a goroutine's number is the program's to choose";
}

TEST(TraceExport, ValuesOfEveryKindBecomeJson) {
  auto number = [](auto value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); };
  hooks::Trace trace = sample();
  trace.events.resize(1);
  trace.events[0].arguments = value(hooks::ValueTag::floating, 0, number(std::numeric_limits<double>::infinity())) +
                              value(hooks::ValueTag::boolean, 1, "\x01") +
                              value(hooks::ValueTag::bytes, 2, number(std::uint32_t{9}) + "\xff\x01") +
                              value(hooks::ValueTag::pointer, 3, number(std::uint64_t{0xc000})) +
                              value(hooks::ValueTag::other, 4, number(std::uint32_t{24}) + "ab") +
                              value(hooks::ValueTag::stack, 255, number(std::uint64_t{0x401000}));
  std::string text;
  write_json_lines(trace, [&](std::string_view piece) { text += piece; });
  const auto arguments = lines_of(text)[2]["arguments"];
  EXPECT_EQ(arguments["name"], "inf");
  EXPECT_EQ(arguments["flag"], true);
  EXPECT_EQ(arguments["#2"]["hex"], "ff01");
  EXPECT_EQ(arguments["#2"]["length"], 9);
  EXPECT_EQ(arguments["#3"], "0xc000");
  EXPECT_EQ(arguments["#4"]["size"], 24);
  EXPECT_EQ(arguments["stack"][0].size(), 1u) << "no place is known";
  trace.places[0x401000] = {{"main.inner", "a.go", 3}, {"main.outer", "b.go", 7}};
  text.clear();
  write_json_lines(trace, [&](std::string_view piece) { text += piece; });
  EXPECT_EQ(lines_of(text)[2]["arguments"]["stack"],
            nlohmann::json::parse(R"([{"pc":"0x401000","function":"main.inner","file":"a.go","line":3,"inlined":true},
                                      {"pc":"0x401000","function":"main.outer","file":"b.go","line":7}])"));
  EXPECT_EQ(arguments["stack"], nlohmann::json::parse(R"([{"pc":"0x401000"}])"));
}

TEST(TraceExport, AParameterCalledStackHidesNoRecordedStack) {
  hooks::Trace trace = sample();
  trace.events.resize(1);
  trace.sites[0].inputs = {"stack"};
  const std::uint64_t counter = 0x401000;
  trace.events[0].arguments =
      value(hooks::ValueTag::stack, 255, std::string(reinterpret_cast<const char*>(&counter), sizeof counter)) +
      hooks::text_value(0, "mine");
  std::string text;
  write_json_lines(trace, [&](std::string_view piece) { text += piece; });
  EXPECT_EQ(lines_of(text)[2]["arguments"], nlohmann::json::parse(R"({"stack":[{"pc":"0x401000"}],"#0":"mine"})"));
}

TEST(TraceExport, TheSummarySaysWhatMattersAndDrivesNoTerminal) {
  const std::string text = trace_summary(sample());
  EXPECT_THAT(text, HasSubstr("5 events claimed by the program, 1 system call witnessed"));
  EXPECT_THAT(text, testing::ContainsRegex("os.OpenFile +4 +6000 ns +1500 ns +0"));
  EXPECT_THAT(text, testing::ContainsRegex("os.StartProcess +1 +- +- +1"));
  EXPECT_THAT(text, HasSubstr("openat '/etc/passwd"));
  EXPECT_THAT(text, HasSubstr("unexplained: no function that rule open hooks"));
  EXPECT_THAT(text, HasSubstr("lost: 3 dropped"));
  EXPECT_THAT(text, HasSubstr("forged: an event of a site that is not in the binary (×2"));
  EXPECT_THAT(text, HasSubstr("the first 2 events are kept"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(trace_summary(hooks::Trace{}), HasSubstr("0 events"));
}

TEST(TraceExport, WhatTheKernelItselfSawIsToldInEveryForm) {
  hooks::Trace trace = sample();
  trace.witnesses = {{"seccomp", true, ""}, {"uprobe", true, ""}, {"tracepoint", false, "it takes root\x1b[2J"}};
  trace.hits = hooks::HookHits{.counted = 8, .lost = 1, .unaccounted = 3};
  trace.events[0].hit = hooks::EventHit{77, trace.start_ns + 5, trace.start_ns + 9};
  trace.begun = hooks::BegunCalls{{{"write", 1, 0x401000, 5, hooks::CallMaker::program, {}},
                                   {"", 999, 0x402000, 2, hooks::CallMaker::own, {{"main.raw\x1b", "raw.s", 3}}}},
                                  4};
  std::string text;
  write_json_lines(trace, [&](std::string_view piece) { text += piece; });
  const auto lines = lines_of(text);
  EXPECT_EQ(lines[2]["hit"], nlohmann::json::parse(R"({"thread":77,"time_ns":5,"end_ns":9})"));
  const auto& raw = lines[lines.size() - 2];
  EXPECT_EQ(raw["type"], "begun");
  EXPECT_EQ(raw["maker"], "own");
  EXPECT_EQ(raw["line"], 3);
  const auto& summary = lines.back();
  EXPECT_EQ(summary["witnesses"][2]["present"], false);
  EXPECT_EQ(summary["hits"]["counted"], 8);
  EXPECT_EQ(summary["begun"]["calls"], 11);
  EXPECT_EQ(summary["begun"]["own"], 2);
  const std::string shown = trace_summary(trace);
  EXPECT_THAT(shown, HasSubstr("no tracepoint: it takes root"));
  EXPECT_THAT(shown, HasSubstr("uprobe: 8 hooks ran, of 1 it had no room"));
  EXPECT_THAT(shown, HasSubstr("no hook can be told for 3 events"));
  EXPECT_THAT(shown, HasSubstr("tracepoint: 11 system calls began, of 4 it had no room"));
  EXPECT_THAT(shown, HasSubstr("2 system calls by instructions that are not Go's:"));
  EXPECT_THAT(shown, HasSubstr("call 999 ×2 at 0x402000 in main.raw"));
  EXPECT_THAT(shown, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace sandbox_run::report
