#include "cli/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "launch/walls.h"
#include "report/report.h"
#include "sum-verify/build_constraint.h"

namespace sandbox_run::cli {
namespace {

using namespace unit_literals;
using std::chrono::microseconds;

Flag size_flag(const std::string& name, const std::string& what, Bytes& target, Bytes least, Bytes most,
               const std::string& example) {
  const std::string help = fmt::format("{} ({})", what, format_bytes(target));
  return {name, "SIZE", help, example, [&target, least, most](const std::string& text) -> Status {
            TRY(Bytes value, parse_bytes(text));
            if (value < least || value > most)
              return input_error(
                  fmt::format("{} is out of range: from {} to {}", text, format_bytes(least), format_bytes(most)));
            target = value;
            return {};
          }};
}

template <class Time>
Flag time_flag(const std::string& name, const std::string& what, Time& target, const std::string& example) {
  const std::string help = fmt::format("{} ({})", what, format_duration(target.value));
  return {name, "TIME", help, example, [&target](const std::string& text) -> Status {
            TRY(microseconds value, parse_duration(text));
            if (value < std::chrono::milliseconds(1)) return input_error(text + " is out of range: from 1ms to 24h");
            target = Time{value};
            return {};
          }};
}

template <class Number>
Flag count_flag(const std::string& name, const std::string& what, Number& target, std::uint64_t least,
                std::uint64_t most, const std::string& example) {
  const std::string help = fmt::format("{} ({})", what, target);
  return {name, "N", help, example, [&target, least, most](const std::string& text) -> Status {
            std::uint64_t value = 0;
            auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
            if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
              return input_error(fmt::format("'{}' is not a whole number from {} to {}", text, least, most));
            target = static_cast<Number>(value);
            return {};
          }};
}

Flag text_flag(const std::string& name, const std::string& value_name, const std::string& help, std::string& target,
               const std::string& example) {
  return {name, value_name, help, example, [&target](const std::string& text) -> Status {
            if (text.empty()) return input_error("it needs a value");
            target = text;
            return {};
          }};
}

Flag list_flag(const std::string& name, const std::string& value_name, const std::string& help,
               std::vector<std::string>& target, const std::string& example) {
  return {name, value_name, help, example, [&target](const std::string& text) -> Status {
            if (text.empty()) return input_error("it needs a value");
            target.push_back(text);
            return {};
          }};
}

Flag cpus_flag(double& target) {
  return {"cpus", "N", fmt::format("processors' worth of time per second, fractions allowed ({})", target), "0.5",
          [&target](const std::string& text) -> Status {
            double value = 0;
            auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
            if (error != std::errc{} || end != text.data() + text.size() || !(value >= 0.01) || value > 1024)
              return input_error(fmt::format("'{}' is not a number from 0.01 to 1024", text));
            target = value;
            return {};
          }};
}

Flag environment_flag(std::vector<std::string>& target) {
  return {"env", "K=V", "add or replace one variable of the program's environment; may be repeated", "TZ=Europe/Berlin",
          [&target](const std::string& text) -> Status {
            std::size_t equals = text.find('=');
            if (equals == std::string::npos || equals == 0)
              return input_error(fmt::format("'{}' is not NAME=VALUE", text));
            target.push_back(text);
            return {};
          }};
}

// SRC:DST, both absolute, DST somewhere of its own.
Flag mount_flag(const std::string& name, const std::string& help, bool writable,
                std::vector<runner::HostMount>& target) {
  return {name, "SRC:DST", help, "/data/tests:/tests", [&target, writable](const std::string& text) -> Status {
            std::size_t colon = text.find(':');
            runner::HostMount mount{text.substr(0, colon), colon == std::string::npos ? "" : text.substr(colon + 1),
                                    writable};
            if (mount.source.empty() || mount.source[0] != '/' || mount.target.size() < 2 || mount.target[0] != '/')
              return input_error(fmt::format("'{}' is not SRC:DST with two absolute paths", text));
            for (const char* taken : {"/dev", "/proc", "/sys", "/etc"})
              if ((mount.target + "/").starts_with(std::string(taken) + "/"))
                return input_error(fmt::format("{} is the sandbox's own; mount it elsewhere", mount.target));
            if (("/" + mount.target + "/").find("/../") != std::string::npos)
              return input_error(fmt::format("'{}' must not have '..'", mount.target));
            if (::access(mount.source.c_str(), F_OK) != 0) return input_error(errno, "cannot find " + mount.source);
            target.push_back(std::move(mount));
            return {};
          }};
}

Flag collect_flag(std::vector<runner::Collect>& target) {
  return {"out", "GLOB=DIR",
          "when the run has ended, copy regular files of /work that match GLOB into DIR; may be repeated",
          "'*.png=results'", [&target](const std::string& text) -> Status {
            std::size_t equals = text.rfind('=');
            if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
              return input_error(fmt::format("'{}' is not GLOB=DIR", text));
            target.push_back({text.substr(0, equals), text.substr(equals + 1)});
            return {};
          }};
}

// One of a few words.
Flag choice_flag(const std::string& name, const std::string& help, const std::vector<std::string>& choices,
                 std::function<void(std::size_t)> choose) {
  std::string words = fmt::format("{}", fmt::join(choices, "|"));
  return {name, words, help, choices.front(),
          [choices, choose = std::move(choose), words](const std::string& text) -> Status {
            for (std::size_t i = 0; i < choices.size(); ++i) {
              if (choices[i] != text) continue;
              choose(i);
              return {};
            }
            return input_error(fmt::format("'{}' is not one of {}", text, words));
          }};
}

}  // namespace

void add_loudness_flags(FlagSet& flags, Options& options) {
  flags.add_switch("quiet", "no progress and no closing line", options.quiet);
  flags.add_switch("verbose", "say what each stage does", options.verbose);
}

void add_output_flags(FlagSet& flags, Options& options, const std::string& json_help) {
  flags.add_switch("json", json_help, options.json);
  flags.add(text_flag("report", "FILE", "write the report object to FILE (docs/report.md)", options.report_file,
                      "report.json"));
  add_loudness_flags(flags, options);
  static bool yes = false;  // the set-up script's; accepted here so that it can stand on any line
  flags.add_switch("yes", "install what is missing without asking (./sandbox-run)", yes);
}

void add_source_flags(FlagSet& flags, Options& options) {
  runner::Request& request = options.request;
  flags.add(
      text_flag("root", "DIR", "the module's root, instead of the nearest parent with a go.mod", request.root, "."));
  flags.add_switch("fetch", "missing modules may be fetched through GOPROXY", request.fetch);
  flags.add({"pin", "H1", "module@version: the h1 hash its zip must have",
             "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", [&request](const std::string& text) -> Status {
               if (!text.starts_with("h1:") || text.size() != 47 || text.back() != '=')
                 return input_error(fmt::format("'{}' is not \"h1:\" and 44 characters of base64", text));
               request.pin = text;
               return {};
             }});
  flags.add_switch("unpinned", "module@version: run it without a pin; the report says so", request.unpinned);
  flags.add(count_flag("max-files", "most files of a submission", request.ingest_limits.files, 1, 10'000'000, "20000"));
  flags.add(
      size_flag("max-bytes", "most bytes of a submission", request.ingest_limits.bytes, Bytes{1}, 64_GiB, "256MiB"));
  flags.add(count_flag("max-depth", "deepest path of a submission", request.ingest_limits.depth, 1, 1024, "64"));
  flags.add(count_flag("max-name", "longest file name of a submission, in bytes", request.ingest_limits.name_bytes, 1,
                       255, "255"));
}

void add_toolchain_flags(FlagSet& flags, Options& options) {
  runner::Request& request = options.request;
  flags.add(text_flag("go", "VERSION", "the toolchain: a version, or an absolute GOROOT", request.go_version, "1.26"));
  flags.add({"tags", "T,T", "build tags", "integration,fast", [&request](const std::string& text) -> Status {
               for (std::size_t at = 0; at <= text.size();) {
                 std::size_t comma = std::min(text.find(',', at), text.size());
                 std::string tag = text.substr(at, comma - at);
                 TRY_STATUS(sum_verify::check_build_tag(tag));
                 request.tags.push_back(std::move(tag));
                 at = comma + 1;
               }
               return {};
             }});
}

void add_build_flags(FlagSet& flags, Options& options) {
  runner::Request& request = options.request;
  go_build::Limits& limits = request.build_limits;
  flags.add_switch("symbols", "keep the symbol table and debug information", request.symbols);
  flags.add(time_flag("build-cpu-time", "processor time of the build", limits.cpu_time, "60s"));
  flags.add(time_flag("build-wall-time", "elapsed time of the build", limits.wall_time, "60s"));
  flags.add(size_flag("build-memory", "memory of the build", limits.memory, 64_MiB, 1024_GiB, "2GiB"));
  flags.add(count_flag("build-pids", "processes and threads of the build", limits.processes, 16, 100'000, "256"));
  flags.add(size_flag("build-output", "the binary and every other file the build writes", limits.output, 1_MiB, 64_GiB,
                      "256MiB"));
}

void add_trace_flags(FlagSet& flags, Options& options) {
  runner::Request& request = options.request;
  flags.add({"trace", "RULES|SET,SET", "build these hooks in and trace the run: a rules file, or shipped sets",
             "std:files,std:net", [&request](const std::string& text) -> Status {
               if (request.trace)
                 return input_error("given twice; sets stand with commas between them, and a rules file has use:");
               TRY(request.trace, hooks::rules_named(text));
               return {};
             }});
  flags.add(text_flag("trace-out", "FILE", "with --trace: write the events to FILE as JSON lines", options.trace_file,
                      "trace.jsonl"));
  flags.add(text_flag("trace-chrome", "FILE", "with --trace: write them for Perfetto or chrome://tracing",
                      options.chrome_file, "trace.json"));
  flags.add(choice_flag(
      "trace-probes", "with --trace: the kernel's probes watch too, where there are any (auto)",
      {"auto", "require", "off"}, [&request](std::size_t i) {
        using runner::TraceProbes;
        request.trace_probes = std::array{TraceProbes::automatic, TraceProbes::required, TraceProbes::off}[i];
      }));
}

void add_repeat_flags(FlagSet& flags, Options& options) {
  runner::Request& request = options.request;
  flags.add(count_flag("repeat",
                       "run it this often, one after the other, each in a sandbox of its own, with a report each "
                       "(--json, --report: one a line); the exit status is that of the first that was not ok",
                       request.repeat, 1, 10'000, "100"));
  flags.add_switch("fresh-net",
                   "with --repeat: a network namespace for each, where the runs may share an empty one (as root, "
                   "with a profile that denies sockets)",
                   request.fresh_network);
}

void add_run_flags(FlagSet& flags, Options& options) {
  runner::Request& request = options.request;
  runner::RunLimits& limits = request.limits;
  flags.add(time_flag("cpu-time", "processor time of all its threads", limits.cpu_time, "10s"));
  flags.add(time_flag("wall-time", "elapsed time", limits.wall_time, "20s"));
  flags.add(
      size_flag("memory", "memory, files in /work and /tmp not counted", limits.memory, 8_MiB, 1024_GiB, "256MiB"));
  flags.add(count_flag("pids", "its threads (and processes)", limits.processes, 1, 100'000, "64"));
  flags.add(cpus_flag(limits.cpus));
  flags.add(size_flag("output", "stdout and stderr together", limits.output, Bytes{1}, 1024_GiB, "64MiB"));
  flags.add(size_flag("scratch", "files in /work and /tmp together", limits.scratch, 64_KiB, 1024_GiB, "64MiB"));
  flags.add(count_flag("open-files", "open file descriptors", limits.open_files, 8, 1'048'576, "256"));
  flags.add(environment_flag(request.environment));
  flags.add(text_flag("stdin", "FILE|none",
                      "where its standard input comes from (ours, all of it: in a shell's read loop say none)",
                      options.standard_input, "input.txt"));
  flags.add(choice_flag("net", "what network it sees (none)", {"none", "loopback"}, [&request](std::size_t i) {
    request.network = i == 0 ? launch::Network::none : launch::Network::loopback;
  }));
  flags.add(text_flag("profile", "NAME|FILE", "the system calls it may make (go-run); 'sandbox-run profile list'",
                      request.profile, "go-run"));
  flags.add(mount_flag("mount-ro", "show a host directory or file read-only; may be repeated", false, request.mounts));
  flags.add(mount_flag("mount-rw",
                       "let it write to a host directory, as a user of its own: the directory's mode must let others "
                       "write; may be repeated",
                       true, request.mounts));
  flags.add(collect_flag(request.collect));
  flags.add(choice_flag(
      "on-denied", "a denied system call fails, or ends the run (error)", {"error", "kill"},
      [&request](std::size_t i) { request.on_denied = i == 0 ? launch::OnDenied::error : launch::OnDenied::kill; }));
  flags.add(choice_flag("tier", "what holds the walls (namespaces)", {"namespaces"}, [](std::size_t) {}));
  flags.add_switch("with-source", "show the source read-only in /work", request.with_source);
  flags.add_switch("proc", "mount a /proc that shows its own processes only", request.proc);
  flags.add(list_flag("weaken", "NAME",
                      fmt::format("run without this wall: {} (network: the host's; its sockets need --profile "
                                  "go-run-loopback besides); the report says so",
                                  fmt::join(launch::kWallNames, ", ")),
                      request.weaken, "cgroup"));
  flags.add(list_flag("require", "NAME", "refuse to run without this hardening, as 'sandbox-run doctor' names it",
                      request.require, "landlock"));
  flags.add_switch("dry-run", "print the plan and every launch step; run nothing", options.dry_run);
  flags.add(
      size_flag("capture", "most of each stream that the report holds", request.capture, Bytes{1}, 256_MiB, "1MiB"));
}

}  // namespace sandbox_run::cli
