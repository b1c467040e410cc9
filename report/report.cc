#include "report/report.h"

#include <openssl/evp.h>
#include <string.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/trace_json.h"

namespace sandbox_run::report {
namespace {

using nlohmann::ordered_json;

std::int64_t count(std::chrono::microseconds time) { return time.count(); }

std::string base64(std::string_view data) {
  std::string text(4 * ((data.size() + 2) / 3) + 1, '\0');
  int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                               reinterpret_cast<const unsigned char*>(data.data()), static_cast<int>(data.size()));
  text.resize(static_cast<std::size_t>(length));
  return text;
}

void add_stream(ordered_json& json, const std::string& name, const launch::Stream& stream) {
  const std::size_t valid = valid_utf8_prefix(stream.captured);
  // A capture that ends inside a character is still text: the character goes with the rest that was cut.
  const bool is_text = valid == stream.captured.size() ||
                       (stream.truncated && is_cut_character(std::string_view(stream.captured).substr(valid)));
  json[name] = is_text ? stream.captured.substr(0, valid) : base64(stream.captured);
  json[name + "_encoding"] = is_text ? "utf8" : "base64";
  json[name + "_truncated"] = stream.truncated;
}

const char* severity_name(Diagnostic::Severity severity) {
  switch (severity) {
    case Diagnostic::Severity::error:
      return "error";
    case Diagnostic::Severity::warning:
      return "warning";
    case Diagnostic::Severity::note:
      return "note";
  }
  return "";
}

ordered_json to_json(const Diagnostic& diagnostic) {
  return {{"severity", severity_name(diagnostic.severity)},
          {"code", diagnostic.code},
          {"file", diagnostic.file},
          {"line", diagnostic.line},
          {"column", diagnostic.column},
          {"message", diagnostic.message}};
}

ordered_json usage_json(const launch::Facts& facts) {
  return {{"cpu_time_us", count(facts.usage.cpu.value)},        {"user_time_us", count(facts.usage.user.value)},
          {"system_time_us", count(facts.usage.system.value)},  {"wall_time_us", count(facts.wall_time)},
          {"memory_peak_bytes", facts.usage.memory_peak.count}, {"processes_peak", facts.usage.processes_peak},
          {"stdout_bytes", facts.stdout_stream.bytes},          {"stderr_bytes", facts.stderr_stream.bytes}};
}

ordered_json limits_json(const LimitsSection& limits) {
  return {{"cpu_time_us", count(limits.cpu_time.value)},
          {"wall_time_us", count(limits.wall_time.value)},
          {"memory_bytes", limits.memory.count},
          {"pids", limits.processes},
          {"cpus", limits.cpus},
          {"output_bytes", limits.output.count},
          {"scratch_bytes", limits.scratch.count},
          {"open_files", limits.open_files},
          {"go_memory_limit", limits.go_memory_limit},
          {"go_max_procs", limits.go_max_procs}};
}

ordered_json denied_json(const std::vector<launch::DeniedCall>& denied) {
  ordered_json list = ordered_json::array();
  for (const launch::DeniedCall& call : denied) {
    char pointer[32];
    ::snprintf(pointer, sizeof pointer, "0x%llx", static_cast<unsigned long long>(call.instruction_pointer));
    list.push_back({{"syscall", call.syscall.empty() ? ordered_json(nullptr) : ordered_json(call.syscall)},
                    {"number", call.number},
                    {"arch", call.arch},
                    {"count", call.count},
                    {"instruction_pointer", pointer},
                    {"first_us", count(call.first)}});
  }
  return list;
}

ordered_json build_json(const std::optional<BuildSection>& build) {
  if (!build) return nullptr;
  return {{"go_version", build->go_version},         {"cached", build->cached},
          {"wall_time_us", count(build->wall_time)}, {"binary_sha256", build->binary_sha256},
          {"binary_bytes", build->binary.count},     {"instrumented", build->instrumented}};
}

ordered_json sandbox_json(const SandboxSection& sandbox) {
  return {{"tier", sandbox.tier},
          {"profile", sandbox.profile},
          {"cgroup", sandbox.cgroup_version == 0 ? ordered_json(nullptr)
                                                 : ordered_json("v" + std::to_string(sandbox.cgroup_version))},
          {"net", sandbox.network},
          {"weakened", sandbox.weakened},
          {"hardening", sandbox.hardening}};
}

ordered_json go_json(const std::optional<GoFailure>& failure) {
  if (!failure) return {{"failure", nullptr}, {"message", ""}, {"goroutine", ""}, {"location", ""}};
  return {{"failure", go_failure_name(failure->kind)},
          {"message", failure->message},
          {"goroutine", failure->goroutine},
          {"location", failure->location}};
}

// What the program claimed and what the kernel saw, in figures; the events themselves are exports (trace_export.h).
ordered_json trace_json(const hooks::Trace& trace) {
  ordered_json verdicts = ordered_json::object();
  for (std::size_t i = 0; i < std::size(hooks::kJoinVerdictValues); ++i)
    verdicts[std::string(hooks::name_of(static_cast<hooks::JoinVerdict>(i)))] = trace.verdicts[i];
  ordered_json forgeries = ordered_json::object();
  for (std::size_t i = 0; i < std::size(hooks::kForgeryValues); ++i)
    if (trace.forgeries[i].count > 0)
      forgeries[std::string(hooks::name_of(static_cast<hooks::Forgery>(i)))] = trace.forgeries[i].count;
  ordered_json json = {{"rules", trace.rules},
                       {"sites", trace.sites.size()},
                       {"claimed",
                        {{"events", trace.events_counted},
                         {"dropped", trace.dropped},
                         {"lost", trace.lost},
                         {"open", trace.open_frames},
                         {"unbalanced", trace.unbalanced_frames},
                         {"without_effect", trace.without_effect},
                         {"forgeries", forgeries}}},
                       {"witnessed", {{"calls", trace.witnessed_counted}, {"joined", verdicts}}},
                       {"changes", trace.changes.size()}};
  add_witnesses(trace, json);
  return json;
}

}  // namespace

std::string_view stage_name(Stage stage) {
  switch (stage) {
    case Stage::ingest:
      return "ingest";
    case Stage::fetch:
      return "fetch";
    case Stage::verify:
      return "verify";
    case Stage::build:
      return "build";
    case Stage::run:
      return "run";
  }
  return "";
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? "SIG" + std::string(name) : "SIG" + std::to_string(signal);
}

int Report::exit_status() const {
  if (int fixed = fixed_exit_status(verdict); fixed >= 0) return fixed;
  if (signal) return 128 + *signal;
  return exit_code.value_or(125);
}

std::string to_json(const Report& report) {
  ordered_json json;
  json["schema"] = "sandbox-run/report/v1";
  json["id"] = report.id;
  json["verdict"] = verdict_name(report.verdict);
  json["stage"] = stage_name(report.stage);
  json["exit_code"] = report.exit_code ? ordered_json(*report.exit_code) : ordered_json(nullptr);
  json["signal"] = report.signal ? ordered_json(signal_name(*report.signal)) : ordered_json(nullptr);
  json["message"] = report.message;
  json["diagnostics"] = ordered_json::array();
  for (const Diagnostic& diagnostic : report.diagnostics) json["diagnostics"].push_back(to_json(diagnostic));
  json["notes"] = ordered_json::array();
  for (const Note& note : report.notes) json["notes"].push_back(note.text);
  json["usage"] = usage_json(report.facts);
  json["limits"] = limits_json(report.limits);
  json["limits_hit"] = report.limits_hit;
  json["verify"] = {{"result", report.verify.result},
                    {"modules", report.verify.modules},
                    {"files", report.verify.files},
                    {"bytes", report.verify.bytes.count}};
  if (!report.verify.pin.empty()) json["verify"]["pin"] = report.verify.pin;
  json["build"] = build_json(report.build);
  json["sandbox"] = sandbox_json(report.sandbox);
  json["denied"] = denied_json(report.facts.denied);
  json["go"] = go_json(report.go_failure);
  if (report.trace) json["trace"] = trace_json(*report.trace);
  add_stream(json, "stdout", report.facts.stdout_stream);
  add_stream(json, "stderr", report.facts.stderr_stream);
  json["timeline"] = ordered_json::array();
  for (const TimelineEntry& entry : report.timeline)
    json["timeline"].push_back(
        {{"stage", entry.stage}, {"start_us", count(entry.start)}, {"duration_us", count(entry.duration)}});
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace sandbox_run::report
