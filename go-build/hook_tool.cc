#include "go-build/hook_tool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>

#include "base/files.h"
#include "go-build/build_plan.h"
#include "go-build/elf_gate.h"
#include "go-build/go_command.h"
#include "go-build/inside.h"
#include "hooks/go_sources.h"
#include "store/store.h"

namespace sandbox_run::go_build {
namespace {

constexpr Bytes kCap{256ull << 20};         // of all tools together: about thirty
constexpr Bytes kMostToolBytes{64u << 20};  // of one file

Limits tool_limits() {
  Limits limits;
  limits.cpu_time = CpuTime{std::chrono::minutes(5)};
  limits.wall_time = WallTime{std::chrono::minutes(5)};
  limits.processes = 1024;
  return limits;
}

Status write_sources(const std::string& directory) {
  for (const auto& [path, content] : hooks::go_sources()) {
    const std::string file = fmt::format("{}/{}", directory, path);
    TRY_STATUS(make_directories(std::filesystem::path(file).parent_path()));
    TRY_STATUS(replace_file(file, content, 0444));
  }
  return {};
}

Result<std::string> digest_of(const std::string& directory) {
  std::string all;
  for (const char* name : {"rewriter", "runtime.a"}) {
    TRY(const std::string content, read_file(directory + "/" + name, kMostToolBytes));
    all += fmt::format("{} {}\n", name, sha256(content).hex());
  }
  return all;
}

// One making of one tool: what both of its steps share.
class Making {
 public:
  Making(launch::Host& host, const Toolchain& toolchain, std::string run, BuildPaths paths, int cancel_fd)
      : host_(host), toolchain_(toolchain), run_(std::move(run)), paths_(std::move(paths)), cancel_fd_(cancel_fd) {}

  Status rewriter(const std::string& result) {
    BuildTarget target;
    target.package = "./rewriter";
    TRY(const std::string output, new_output());
    BuildPaths paths = paths_;
    paths.output_file = output;
    TRY(launch::Facts facts, run_go(host_, build_plan(paths, limits_, unique_id("hook-tool"), std::time(nullptr)),
                                    toolchain_, build_command(target, limits_, processors()), -1, cancel_fd_));
    return keep(facts, output, result, 0555);
  }

  Status runtime(const std::string& rewriter, const std::string& result) {
    TRY(const std::string output, new_output());
    BuildPaths paths = paths_;
    paths.output_file = output;
    paths.more.push_back(launch::BindMount{rewriter, std::string(inside::kRewriter), false, true});
    TRY(const UniqueFd executable, open_path(rewriter, O_RDONLY));
    BuildCommand command = build_command({}, limits_, processors());
    command.arguments = {"rewriter", "runtime",
                         "--source", fmt::format("{}/runtime", inside::kSource),
                         "-o",       std::string(inside::kOutput)};
    TRY(launch::Facts facts, run_tool(host_, build_plan(paths, limits_, unique_id("hook-tool"), std::time(nullptr)),
                                      executable.get(), command, cancel_fd_));
    return keep(facts, output, result, 0444);
  }

 private:
  Result<std::string> new_output() {
    std::string path = run_ + "/" + unique_id("output");
    TRY(const UniqueFd file, make_output(path));
    return path;
  }

  Status keep(const launch::Facts& facts, const std::string& output, const std::string& result, mode_t mode) {
    if (!succeeded(facts))
      return host_error(fmt::format("cannot build the hook rewriter with {} at {}: {}", toolchain_.version,
                                    toolchain_.goroot, describe_end(facts)));
    TRY(const std::string content, read_file(output, kMostToolBytes));
    return replace_file(result, content, mode);
  }

  launch::Host& host_;
  const Toolchain& toolchain_;
  std::string run_;
  BuildPaths paths_;
  int cancel_fd_;
  Limits limits_ = tool_limits();
};

Status make_tool(launch::Host& host, const Toolchain& toolchain, const StdCache& std_library,
                 const std::string& state_directory, int cancel_fd, const std::string& directory) {
  TRY(auto run, store::RunDirectory::create(state_directory, unique_id("hook-tool")));
  TRY(BuildPaths paths, paths_of(toolchain));
  paths.source = run.path() + "/source";
  paths.std_cache = std_library.path;
  TRY_STATUS(write_sources(paths.source));
  Making making(host, toolchain, run.path(), std::move(paths), cancel_fd);
  TRY_STATUS(making.rewriter(directory + "/rewriter"));
  TRY_STATUS(making.runtime(directory + "/rewriter", directory + "/runtime.a"));
  TRY(const std::string digests, digest_of(directory));
  return replace_file(directory + "/digests", digests, 0444);
}

}  // namespace

Sha256Digest hook_sources_digest() {
  std::string all;
  for (const auto& [path, content] : hooks::go_sources()) all += fmt::format("{} {}\n", path, sha256(content).hex());
  return sha256(all);
}

Result<HookTool> hook_tool(launch::Host& host, const Toolchain& toolchain, const StdCache& std_library,
                           const std::string& state_directory, Narrator& narrator, int cancel_fd) {
  TRY(const std::string what, identity(toolchain));
  const Sha256Digest key = sha256(fmt::format("{}\n{}\n{}", kRecipe, what, hook_sources_digest().hex()));
  const std::string directory = state_directory + "/hook-tools";
  TRY_STATUS(make_directories(directory));
  const std::string path = fmt::format("{}/{}-{:.16}", directory, toolchain.version, key.hex());
  HookTool tool;
  bool made = false;
  TRY(tool.held, store::fill_and_hold(
                     path,
                     [&](const std::string& temporary) {
                       made = true;
                       narrator.note(fmt::format("building the hook rewriter with {}, once", toolchain.version));
                       return make_tool(host, toolchain, std_library, state_directory, cancel_fd, temporary);
                     },
                     store::Durability::synced, cancel_fd));
  TRY(const std::string digests, digest_of(path));
  TRY(const std::string recorded, read_file(path + "/digests", Bytes{4096}));
  if (digests != recorded)
    return host_error(fmt::format("the hook rewriter at {} is not what was built; remove that directory", path));
  tool.rewriter = path + "/rewriter";
  tool.runtime = path + "/runtime.a";
  tool.digest = sha256(digests);
  if (made) TRY_STATUS(store::evict(directory, kCap));
  return tool;
}

}  // namespace sandbox_run::go_build
