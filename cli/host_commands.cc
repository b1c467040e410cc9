// doctor, profile, toolchain and cache: what the host and the state directory hold.
#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "fetch/toolchains.h"
#include "go-build/toolchain.h"
#include "launch/launch.h"
#include "seccomp-profiles/profile.h"
#include "store/cache.h"
#include "store/store.h"

namespace sandbox_run::cli {
namespace {

int print(const std::string& text) { return write_all(STDOUT_FILENO, text, "stdout") ? 0 : kOurFailure; }

int failed(const std::string& command, const Error& error) { return usage_error(command, error); }

std::string pinned_versions() {
  std::string versions;
  for (const fetch::PinnedToolchain& toolchain : fetch::pinned_toolchains())
    versions += (versions.empty() ? "" : ", ") + toolchain.version.substr(2);
  return versions;
}

// What a run from source needs beside the walls.
std::vector<launch::Probe> probe_installation(const std::string& state_directory) {
  std::vector<launch::Probe> probes;
  launch::Probe state{.name = "state directory", .is_wall = true};
  Status made = make_directories(state_directory);
  state.present = made && ::access(state_directory.c_str(), W_OK) == 0;
  state.detail = state_directory;
  state.remedy = "make it writable, or set SANDBOX_RUN_STATE to a directory of your own";
  probes.push_back(state);
  launch::Probe go{.name = "go toolchain", .is_wall = true};
  if (auto found = go_build::find_toolchain("", state_directory)) {
    go.present = true;
    go.detail = found->version + " at " + found->goroot;
  } else {
    go.detail = found.error().what;
    go.remedy = "sandbox-run toolchain install 1.26.8";
  }
  probes.push_back(go);
  return probes;
}

std::string doctor_text(const std::vector<launch::Probe>& probes, bool refused) {
  std::string text;
  for (const launch::Probe& probe : probes) {
    text += fmt::format("{:<7} {:<9} {}", probe.present ? "ok" : "missing", probe.is_wall ? "wall" : "hardening",
                        probe.name);
    if (!probe.detail.empty()) text += ": " + escape_line(probe.detail);
    text += "\n";
    if (!probe.present && !probe.remedy.empty()) text += "        to get it: " + probe.remedy + "\n";
  }
  return text + (refused ? "a run would be refused\n" : "a run would be accepted\n");
}

std::string doctor_json(const std::vector<launch::Probe>& probes, bool refused) {
  nlohmann::ordered_json json = {
      {"schema", "sandbox-run/doctor/v1"}, {"accepted", !refused}, {"probes", nlohmann::ordered_json::array()}};
  for (const launch::Probe& probe : probes)
    json["probes"].push_back({{"name", probe.name},
                              {"kind", probe.is_wall ? "wall" : "hardening"},
                              {"present", probe.present},
                              {"detail", probe.detail},
                              {"remedy", probe.present ? "" : probe.remedy}});
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

int doctor_command(const Words& words) {
  bool json = false;
  FlagSet flags(
      "doctor [--json]",
      "Tries each wall and each hardening on this host and says what is there, what is missing and how to get it.");
  flags.add_switch("json", "print one object", json);
  auto line = flags.parse(words);
  if (!line) return failed("doctor", line.error());
  if (line->help) return print(flags.help());
  if (!line->operands.empty())
    return failed("doctor", input_error(fmt::format("'{}': it always tries everything and takes no name; leave it out",
                                                    line->operands.front())));
  auto state = store::state_directory();
  if (!state) return failed("doctor", state.error());
  // Before the host's: an ordinary user's launch takes us into a user namespace, from which root's files look foreign.
  std::vector<launch::Probe> installation = probe_installation(*state);
  std::vector<launch::Probe> probes = launch::probe_host();
  for (launch::Probe& probe : installation) probes.push_back(std::move(probe));
  bool refused = false;
  for (const launch::Probe& probe : probes) refused |= probe.is_wall && !probe.present;
  int printed = print(json ? doctor_json(probes, refused) : doctor_text(probes, refused));
  return printed != 0 ? printed : refused ? kOurFailure : 0;
}

int profile_command(const Words& words) {
  FlagSet flags("profile list | show NAME|FILE",
                "Lists the built-in system call profiles, or prints one with the reason of every rule.");
  auto line = flags.parse(words);
  if (!line) return failed("profile", line.error());
  if (line->help) return print(flags.help());
  const auto& operands = line->operands;
  if (operands.size() == 1 && operands[0] == "list") {
    std::string text;
    for (const std::string& name : seccomp_profiles::Profile::builtin_names()) {
      auto profile = seccomp_profiles::Profile::load(name);
      if (!profile) return failed("profile", profile.error());
      text += fmt::format("{:<18} {}\n", name, profile->summary);
    }
    return print(text);
  }
  if (operands.size() == 2 && operands[0] == "show") {
    auto profile = seccomp_profiles::Profile::load(operands[1]);
    return profile ? print(profile->text) : failed("profile", profile.error());
  }
  return failed("profile", input_error("say 'profile list' or 'profile show go-run'"));
}

int toolchain_command(const Words& words) {
  Options options;
  FlagSet flags("toolchain list | install VERSION | remove VERSION",
                fmt::format("Go toolchains of our own, in the state directory: fetched through GOPROXY as modules, "
                            "their h1 compared with a list built in. VERSION: {}, or a part such as 1.26.",
                            pinned_versions()));
  flags.add_switch("quiet", "no progress", options.quiet);
  flags.add_switch("verbose", "say what each stage does", options.verbose);
  bool yes = false;
  flags.add_switch("yes", "accepted for ./sandbox-run", yes);
  auto line = flags.parse(words);
  if (!line) return failed("toolchain", line.error());
  if (line->help) return print(flags.help());
  auto state = store::state_directory();
  if (!state) return failed("toolchain", state.error());
  const auto& operands = line->operands;
  TerminalNarrator narrator(loudness_of(options));
  if (operands.size() == 1 && operands[0] == "list") {
    auto found = fetch::list_toolchains(*state);
    if (!found) return failed("toolchain", found.error());
    if (found->empty() && !options.quiet)
      say(fmt::format("no toolchain is installed in {}/toolchains; 'sandbox-run doctor' says which Go is used",
                      *state));
    std::string text;
    for (const fetch::InstalledToolchain& entry : *found)
      text += fmt::format("{:<12} {}\n", entry.version, entry.goroot);
    return print(text);
  }
  if (operands.size() == 2 && operands[0] == "install") {
    auto goroot = fetch::install_toolchain(operands[1], *state, narrator);
    narrator.clear();
    return goroot ? print(*goroot + "\n") : failed("toolchain", goroot.error());
  }
  if (operands.size() == 2 && operands[0] == "remove") {
    Status removed = fetch::remove_toolchain(operands[1], *state);
    return removed ? 0 : failed("toolchain", removed.error());
  }
  return failed("toolchain",
                input_error("say 'toolchain list', 'toolchain install 1.26.8' or 'toolchain remove 1.26.8'"));
}

int cache_command(const Words& words) {
  FlagSet flags(
      "cache list | clear [KIND]",
      "What the state directory keeps to be fast the next time, and how to empty it. KIND: modules (verified "
      "zips and their files), std (the compiled standard library), artifacts (built programs) or another that "
      "'cache list' names; without one, all but toolchains, which 'toolchain remove' removes.");
  auto line = flags.parse(words);
  if (!line) return failed("cache", line.error());
  if (line->help) return print(flags.help());
  auto state = store::state_directory();
  if (!state) return failed("cache", state.error());
  const auto& operands = line->operands;
  if (operands.size() == 1 && operands[0] == "list") {
    auto kinds = store::usage(*state);
    if (!kinds) return failed("cache", kinds.error());
    std::string text;
    for (const store::CacheUsage& kind : *kinds)
      text += fmt::format("{:<12} {:>6} entries {:>10}\n", kind.kind, kind.entries, format_bytes(kind.bytes));
    return print(text);
  }
  if (!operands.empty() && operands.size() <= 2 && operands[0] == "clear") {
    auto removed = store::clear(*state, operands.size() == 2 ? operands[1] : "");
    if (!removed) return failed("cache", removed.error());
    return print(fmt::format("removed {} entries, {}\n", removed->entries, format_bytes(removed->bytes)));
  }
  return failed("cache", input_error("say 'cache list', 'cache clear' or 'cache clear artifacts'"));
}

}  // namespace sandbox_run::cli
