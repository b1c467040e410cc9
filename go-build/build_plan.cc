#include "go-build/build_plan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/files.h"
#include "go-build/inside.h"

namespace sandbox_run::go_build {
namespace {

std::string at(std::string_view directory) { return std::string(directory); }

// The whole environment: nothing of ours and nothing of a go.env file of the submitter's or the user's is in it.
std::vector<std::string> environment(const Limits& limits, unsigned processors) {
  // The tools are short-lived, so collecting garbage costs them a fifth of their time; a limit each keeps that honest.
  std::uint64_t each_mebibytes =
      std::max<std::uint64_t>(64, (limits.memory.count >> 20) / (std::max(processors, 1u) + 2));
  return {
      fmt::format("PATH={}/bin", inside::kGoroot),
      fmt::format("GOROOT={}", inside::kGoroot),
      "GOOS=linux",
      "GOARCH=amd64",
      "GOAMD64=v1",
      "GOENV=off",          // no user configuration
      "GOTOOLCHAIN=local",  // a toolchain line cannot name another one
      "GOWORK=off",
      "GOPROXY=off",  // there is no network either; this gives the better message
      "GOSUMDB=off",  // sum-verify has been there
      "GOFLAGS=",
      "GOVCS=*:off",
      "GOAUTH=off",
      "GO111MODULE=on",
      "CGO_ENABLED=0",
      "GOPATH=/gopath",  // named because it must be; nothing is there
      fmt::format("GOMODCACHE={}", inside::kModules),
      fmt::format("GOCACHE={}", inside::kCache),
      fmt::format("GOTMPDIR={}", inside::kTemporary),
      fmt::format("TMPDIR={}", inside::kTemporary),  // the hook rewriter's
      "GOGC=off",
      fmt::format("GOMEMLIMIT={}MiB", each_mebibytes),
  };
}

// What every compilation has in common: also the std cache's, or its results would not be found.
const std::vector<std::string> kCommonFlags = {
    "-trimpath",
    "-buildvcs=false",  // stamping would run the version control program that a submitted .git/config names
    "-pgo=off",         // a profile of 291 KB made the compiler use 620 MB
};

std::string upper_directory(unsigned number) { return fmt::format("{:02x}", number); }

}  // namespace

BuildCommand build_command(const BuildTarget& target, const Limits& limits, unsigned processors) {
  BuildCommand command;
  auto& arguments = command.arguments;
  arguments = {"go", target.test_binary ? "test" : "build"};
  if (target.test_binary) arguments.insert(arguments.end(), {"-c", "-vet=off"});
  arguments.insert(arguments.end(), kCommonFlags.begin(), kCommonFlags.end());
  arguments.push_back(target.vendored ? "-mod=vendor" : "-mod=readonly");
  // Internal linking: with any other a .syso object makes the linker call the host's.
  const char* strip = target.symbols ? "" : target.symbol_table ? " -w" : " -s -w";
  arguments.push_back(fmt::format("-ldflags=-linkmode=internal -buildid={}", strip));
  arguments.insert(arguments.end(), target.hook_flags.begin(), target.hook_flags.end());
  if (!target.tags.empty()) arguments.push_back(fmt::format("-tags={}", fmt::join(target.tags, ",")));
  arguments.insert(arguments.end(), {"-o", at(inside::kOutput)});
  if (target.files.empty()) arguments.push_back(target.package);
  for (const auto& file : target.files) arguments.push_back("./" + file);
  command.environment = environment(limits, processors);
  return command;
}

BuildCommand dry_run_command(const BuildTarget& target, const Limits& limits, unsigned processors) {
  BuildCommand command = build_command(target, limits, processors);
  command.arguments.insert(command.arguments.begin() + 2, "-n");
  return command;
}

BuildCommand std_list_command(const Limits& limits, unsigned processors, const std::vector<std::string>& flags,
                              const std::vector<std::string>& packages) {
  BuildCommand command;
  command.arguments = {"go", "list", "-export", "-f", "{{if .GoFiles}}{{.ImportPath}}={{.Export}}{{end}}"};
  command.arguments.insert(command.arguments.end(), kCommonFlags.begin(), kCommonFlags.end());
  command.arguments.insert(command.arguments.end(), flags.begin(), flags.end());
  command.arguments.insert(command.arguments.end(), packages.begin(), packages.end());
  command.environment = environment(limits, processors);
  return command;
}

BuildCommand std_command(const Limits& limits, unsigned processors) {
  BuildCommand command;
  command.arguments = {"go", "build", "-v"};
  command.arguments.insert(command.arguments.end(), kCommonFlags.begin(), kCommonFlags.end());
  command.arguments.push_back("std");
  command.environment = environment(limits, processors);
  return command;
}

Result<BuildPaths> paths_of(const Toolchain& toolchain) {
  BuildPaths paths;
  paths.goroot = toolchain.goroot;
  TRY(paths.goroot_links, linked_directories(toolchain.goroot, std::string(inside::kGoroot)));
  return paths;
}

Result<UniqueFd> make_output(const std::string& path) {
  TRY(UniqueFd file, open_path(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  if (::fchmod(file.get(), 0666) != 0) return host_error(errno, "cannot open " + path + " to the build");
  return file;
}

Limits std_limits() {
  Limits limits;
  limits.cpu_time = CpuTime{std::chrono::minutes(20)};
  limits.wall_time = WallTime{std::chrono::minutes(10)};
  limits.memory = Bytes{4ull << 30};
  limits.processes = 1024;
  limits.output = Bytes{1ull << 30};
  return limits;
}

launch::Plan build_plan(const BuildPaths& paths, const Limits& limits, std::string id, std::int64_t unix_time) {
  launch::Plan plan;
  plan.id = std::move(id);
  plan.profile_name = "go-build";
  plan.cancel_at_once = true;  // what ends well in spite of a signal would make it forgotten
  plan.on_denied = launch::OnDenied::error;
  plan.working_directory = at(inside::kSource);
  if (paths.directory != ".") plan.working_directory += "/" + paths.directory;
  plan.mounts.push_back(launch::BindMount{paths.goroot, at(inside::kGoroot), false, true});
  for (const auto& linked : paths.goroot_links)
    plan.mounts.push_back(launch::BindMount{linked.source, linked.target, false, true});
  if (paths.source.empty())
    plan.mounts.push_back(launch::DirectoryMount{at(inside::kSource)});
  else
    plan.mounts.push_back(launch::BindMount{paths.source, at(inside::kSource), false, false});
  plan.mounts.push_back(launch::TmpfsMount{at(inside::kTemporary), limits.output, 65536, {}, false});
  plan.scratch = limits.output;
  if (paths.plain_cache) {
    plan.mounts.push_back(launch::BindMount{paths.std_cache, at(inside::kCache), false, false});
  } else if (paths.writable_cache.empty()) {
    launch::OverlayMount cache;
    cache.lower = paths.std_cache;
    cache.target = inside::kCache;
    cache.upper_size = limits.output;
    // Without these the go command cannot write beside the lower layer's directories, which belong to nobody inside.
    for (unsigned number = 0; number < 256; ++number) cache.upper_directories.push_back(upper_directory(number));
    // A cache that was trimmed just now is not trimmed again: trimming an old one would write a whiteout per file.
    cache.upper_files = {{"trim.txt", fmt::format("{}", unix_time)}};
    plan.mounts.push_back(std::move(cache));
    plan.scratch = plan.scratch + limits.output;
  } else {
    plan.mounts.push_back(launch::BindMount{paths.writable_cache, at(inside::kCache), true, false});
  }
  if (!paths.output_file.empty())
    plan.mounts.push_back(launch::BindMount{paths.output_file, at(inside::kOutput), true, false});
  if (paths.modules.empty()) plan.mounts.push_back(launch::DirectoryMount{at(inside::kModules)});
  for (const auto& module : paths.modules) plan.mounts.push_back(module);
  plan.mounts.insert(plan.mounts.end(), paths.more.begin(), paths.more.end());
  plan.network = launch::Network::none;
  plan.rlimits.open_files = 4096;
  plan.rlimits.file_size = limits.output;
  plan.cgroup.memory = limits.memory + plan.scratch;
  plan.cgroup.processes = limits.processes;
  plan.cgroup.cpus = 0;  // bounded by CPU time; throttling would only make everyone wait
  plan.memory = limits.memory;
  plan.cpu_time = limits.cpu_time;
  plan.wall_time = limits.wall_time;
  plan.output = Bytes{4 << 20};  // messages, not files
  return plan;
}

std::string describe(const BuildTarget& target) {
  return fmt::format("{}\ndirectory {}\npackage {}\nfiles {}\nvendored {}\ntags {}\nsymbols {}\ntest {}\n", kRecipe,
                     target.directory, target.package, fmt::join(target.files, "\x1f"), target.vendored,
                     fmt::join(target.tags, ","), target.symbols, target.test_binary);
}

}  // namespace sandbox_run::go_build
