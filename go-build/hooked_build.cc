#include "go-build/hooked_build.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>

#include "base/files.h"
#include "go-build/build_code.h"
#include "go-build/go_command.h"
#include "go-build/inside.h"
#include "store/store.h"

namespace sandbox_run::go_build {
namespace {

namespace fs = std::filesystem;

constexpr Bytes kCap{3ull << 30};       // each counts what it shares with the clean cache
constexpr Bytes kPlansCap{128u << 20};  // of all plans together: everything hooked in net/http's packages is 2 MiB
constexpr std::size_t kMostNotes = 100;
constexpr std::string_view kUnhooked = "sandbox-run-hook: unhooked ";  // the rewriter's word

BuildFailure rules_failure(const hooks::HookPlan& plan, const std::string& rules_file) {
  BuildFailure failure;
  for (const hooks::RuleError& error : plan.errors) {
    const int line = static_cast<int>(error.line);
    failure.diagnostics.push_back(
        {Diagnostic::Severity::error, build_code_name(BuildCode::GB006), rules_file, line, 0, error.message});
    failure.output += fmt::format("{}:{}: {}\n", rules_file, error.line, error.message);
  }
  const hooks::RuleError& first = plan.errors.front();
  failure.message = fmt::format("{}:{}: {}", rules_file, first.line, first.message);
  if (plan.errors.size() > 1) failure.message += fmt::format(" (and {} more)", plan.errors.size() - 1);
  return failure;
}

// The rules' scope and the source's size decide it together.
BuildFailure plan_too_large(const std::string& rules_file) {
  BuildFailure failure;
  failure.limit = BuildFailure::Limit::output;
  failure.message =
      fmt::format("what {} hooks in this program takes a plan of more than {}; have fewer functions match", rules_file,
                  format_bytes(kMostPlanBytes));
  failure.diagnostics.push_back(
      {Diagnostic::Severity::error, build_code_name(BuildCode::GB005), rules_file, 0, 0, failure.message});
  failure.output = failure.message + "\n";
  return failure;
}

// Removes what stands before a file's name inside the sandbox: the name is then the submitter's, or as events have it.
std::string without_inside(std::string text, const std::string& before) {
  for (const std::string& inside :
       {fmt::format("{}{}/src/", before, inside::kGoroot), fmt::format("{}{}/", before, inside::kSource)})
    for (std::size_t at = 0; (at = text.find(inside, at)) != std::string::npos; at += before.size())
      text.replace(at, inside.size(), before);
  return text;
}

// The same tree with the same files: links, for nobody writes to a file of a cache.
Status link_tree(const std::string& from, const std::string& to) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(from, error), end; !error && entry != end; entry.increment(error)) {
    const fs::path target = to / entry->path().lexically_relative(from);
    const bool is_directory = entry->is_directory(error);
    if (!error && is_directory) {
      fs::create_directory(target, error);
      // The build's user adds files beside ours; the directory above lets nobody else in.
      if (!error && ::chmod(target.c_str(), 0777) != 0) return host_error(errno, "cannot open " + target.string());
    } else if (!error) {
      fs::create_hard_link(entry->path(), target, error);
    }
    if (error) return host_error(error.value(), "cannot link " + target.string());
  }
  if (error) return host_error(error.value(), "cannot read " + from);
  return {};
}

// "path=file" lines of what was compiled, the file relative to GOCACHE: as std_cache's.
Result<std::map<std::string, std::string>> read_packages(std::string_view listed) {
  std::map<std::string, std::string> files;
  const std::string prefix = fmt::format("{}/", inside::kCache);
  std::istringstream lines{std::string(listed)};
  for (std::string line; std::getline(lines, line);) {
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string path = line.substr(0, equals);
    const std::string file = line.substr(equals + 1);
    if (path == "unsafe") continue;  // the compiler's own: no file
    if (!file.starts_with(prefix))
      return host_error(fmt::format("the go command kept nothing of {} with its hooks", path));
    files[path] = file.substr(prefix.size());
  }
  return files;
}

std::string package_lines(const std::map<std::string, std::string>& files) {
  std::string text;
  for (const auto& [path, file] : files) text += fmt::format("{}={}\n", path, file);
  return text;
}

std::string wrapper_flag() {
  return fmt::format("-toolexec={} toolexec --rules {} --runtime {} --kept {}", inside::kRewriter, inside::kHookRules,
                     inside::kHookRuntime, inside::kHookedArchives);
}

void add_package_flags(const hooks::HookPlan& plan, bool of_standard, std::vector<std::string>& flags) {
  for (const hooks::PlannedPackage& package : plan.packages)
    if (package.standard == of_standard)
      flags.push_back(fmt::format("-gcflags={}=-sandbox-hook={}", package.path, package.hash));
}

// What importers were compiled against, and what the linker gets.
Status write_packages(std::map<std::string, std::string> files, const std::string& entry) {
  TRY_STATUS(replace_file(entry + "/packages", package_lines(files), 0444));
  for (auto& [path, file] : files) {
    const std::string kept = fmt::format("hooked/{}.a", path);
    if (::access(fmt::format("{}/cache/{}", entry, kept).c_str(), R_OK) == 0) file = kept;
  }
  return replace_file(entry + "/archives", package_lines(files), 0444);
}

// With tags the clean packages may be made from other files: then there is nothing to hold the hooked ones against.
bool has_clean_packages(const HookInput& input) { return input.tags.empty(); }

Status add_clean_packages(const StdCache& std_library, BuildPaths& paths) {
  TRY(std::string packages, read_file(std_library.packages_path, kMostPackagesBytes));
  paths.more.push_back(launch::FileMount{std::string(inside::kCleanPackages), std::move(packages)});
  return {};
}

Status fill(const HookInput& input, const StdCache& std_library, const hooks::HookPlan& plan,
            const std::string& temporary) {
  const Limits limits = std_limits();
  const std::string id = unique_id("hooked-std");
  TRY(auto run, store::RunDirectory::create(input.state_directory, id));
  const std::string cache = run.path() + "/cache";
  TRY_STATUS(make_directories(cache));
  if (::chmod(cache.c_str(), 0777) != 0) return host_error(errno, "cannot open " + cache + " to the build");
  TRY_STATUS(link_tree(std_library.path, cache));
  TRY(BuildPaths paths, paths_of(input.toolchain));
  paths.writable_cache = cache;
  add_hook_mounts(input.tool, input.hooks, paths);
  std::vector<std::string> flags = hook_flags(plan, nullptr);
  if (has_clean_packages(input)) {
    TRY_STATUS(add_clean_packages(std_library, paths));
    flags.front() += fmt::format(" --clean {}", inside::kCleanPackages);
  } else {
    flags.push_back(fmt::format("-tags={}", fmt::join(input.tags, ",")));
  }
  TRY(launch::Facts facts,
      run_go(input.host, build_plan(paths, limits, id, std::time(nullptr)), input.toolchain,
             std_list_command(limits, processors(), flags, plan.dependencies), -1, input.cancel_fd));
  if (!succeeded(facts)) {
    if (auto refused = refused_rule(facts.stderr_stream.captured, input.hooks.rules_file)) return input_error(*refused);
    return host_error(fmt::format("cannot compile the standard library of {} with the hooks of {}: {}",
                                  input.toolchain.version, input.hooks.rules_file, describe_end(facts)));
  }
  TRY_STATUS(move_cache(cache, temporary + "/cache"));
  TRY(auto files, read_packages(facts.stdout_stream.captured));
  return write_packages(std::move(files), temporary);
}

// `words`, the build's own flags, and what package it is about where the words do not say that themselves.
BuildCommand rewriter_command(const std::vector<std::string>& words, const BuildTarget& target, const Limits& limits) {
  BuildCommand command = build_command(target, limits, processors());
  command.arguments = {std::string(inside::kRewriter), words.at(0)};
  const bool about_rules = words[0] != "list-functions";
  if (about_rules) command.arguments.push_back(fmt::format("--rules={}", inside::kHookRules));
  if (words[0] == "plan") command.arguments.push_back(fmt::format("--runtime={}", inside::kHookRuntime));
  command.arguments.push_back(fmt::format("-mod={}", target.vendored ? "vendor" : "readonly"));
  if (!target.tags.empty()) command.arguments.push_back(fmt::format("-tags={}", fmt::join(target.tags, ",")));
  if (target.test_binary) command.arguments.push_back("-test");
  if (words[0] == "show-source") {
    // The package of loose files has no import path of its own: it is its files.
    const bool named_files = !target.files.empty() && (words.at(1) == "main" || words[1] == ".");
    if (!named_files) command.arguments.push_back(words.at(1));
    for (const std::string& file : named_files ? target.files : std::vector<std::string>{})
      command.arguments.push_back("./" + file);
    return command;
  }
  command.arguments.insert(command.arguments.end(), words.begin() + 1, words.end());
  if (target.files.empty()) command.arguments.push_back(target.package);
  for (const std::string& file : target.files) command.arguments.push_back("./" + file);
  return command;
}

Result<launch::Facts> run_rewriter(const HookInput& input, const BuildPaths& paths, const Limits& limits,
                                   const BuildCommand& command, Bytes capture) {
  TRY(const UniqueFd rewriter, open_path(input.tool.rewriter, O_RDONLY));
  launch::Plan plan = build_plan(paths, limits, unique_id("rewriter"), std::time(nullptr));
  plan.output = std::max(plan.output, capture);
  return run_tool(input.host, std::move(plan), rewriter.get(), command, input.cancel_fd, capture);
}

Status make_standard_plan(const HookInput& input, const StdCache& std_library, const std::vector<std::string>& packages,
                          const std::string& entry) {
  const Limits limits = std_limits();
  TRY(auto run, store::RunDirectory::create(input.state_directory, unique_id("hook-plan")));
  TRY(BuildPaths paths, paths_of(input.toolchain));
  paths.std_cache = std_library.path;
  TRY(paths.output_file, make_plan_file(run.path()));
  add_hook_mounts(input.tool, input.hooks, paths);
  BuildCommand command = build_command({}, limits, processors());
  command.arguments = {std::string(inside::kRewriter), "plan", fmt::format("--rules={}", inside::kHookRules),
                       fmt::format("--runtime={}", inside::kHookRuntime), fmt::format("-o={}", inside::kOutput)};
  if (has_clean_packages(input)) {
    TRY_STATUS(add_clean_packages(std_library, paths));
    command.arguments.push_back(fmt::format("--clean={}", inside::kCleanPackages));
  } else {
    command.arguments.push_back(fmt::format("-tags={}", fmt::join(input.tags, ",")));
  }
  command.arguments.insert(command.arguments.end(), packages.begin(), packages.end());
  TRY(const launch::Facts facts, run_rewriter(input, paths, limits, command, kCapturedMessages));
  if (!succeeded(facts))
    return host_error(fmt::format("cannot find what the rules of {} hook in the standard library of {}: {}",
                                  input.hooks.rules_file, input.toolchain.version, describe_end(facts)));
  TRY(const std::string text, read_file(paths.output_file, kMostPlanBytes));
  TRY_STATUS(replace_file(entry + "/plan", text, 0444));
  return replace_file(entry + "/sha256", sha256(text).hex(), 0444);
}

// Names can come from a plan that was made next to a submission's source.
Status check_standard(const std::vector<std::string>& packages, const StdCache& std_library) {
  TRY(const PackageNames of_std, std_package_names(std_library));
  for (const std::string& package : packages)
    if (package != "unsafe" && !of_std.contains(package))
      return self_error(fmt::format("the hook rewriter calls '{}' a package of the standard library", package));
  return {};
}

// nullopt: the entry is not what was put there.
Result<std::optional<hooks::HookPlan>> load_standard_plan(const std::string& entry) {
  auto text = read_file(entry + "/plan", kMostPlanBytes);
  auto digest = read_file(entry + "/sha256", Bytes{64});
  if (!text || !digest || sha256(*text).hex() != *digest) return std::optional<hooks::HookPlan>();
  TRY(hooks::HookPlan plan, hooks::parse_hook_plan(*text));
  return std::optional(std::move(plan));
}

}  // namespace

Result<std::string> make_plan_file(const std::string& directory) {
  std::string path = fmt::format("{}/{}", directory, unique_id("hook-plan"));
  TRY(const UniqueFd file, make_output(path));
  return path;
}

void add_hook_mounts(const HookTool& tool, const Hooks& hooks, BuildPaths& paths) {
  paths.more.push_back(launch::BindMount{tool.rewriter, std::string(inside::kRewriter), false, true});
  paths.more.push_back(launch::BindMount{tool.runtime, std::string(inside::kHookRuntime), false, false});
  paths.more.push_back(launch::FileMount{std::string(inside::kHookRules), hooks.rules_json});
}

std::vector<std::string> hook_flags(const hooks::HookPlan& standard, const hooks::HookPlan* program) {
  std::vector<std::string> flags = {wrapper_flag()};
  add_package_flags(standard, true, flags);
  if (program) add_package_flags(*program, false, flags);
  return flags;
}

std::vector<std::string> hook_flags_of_parts(const hooks::HookPlan& standard, const Hooks& hooks) {
  // The last pattern that a package matches counts (go help build).
  std::vector<std::string> flags = {fmt::format("{} --plan {}", wrapper_flag(), inside::kHookPlan),
                                    fmt::format("-gcflags=all=-sandbox-hook={:.32}", sha256(hooks.rules_json).hex()),
                                    "-gcflags=std="};
  add_package_flags(standard, true, flags);
  return flags;
}

Result<std::variant<hooks::HookPlan, BuildFailure>> plan_hooks(const HookInput& input, const BuildPaths& paths,
                                                               const BuildTarget& target, const Limits& limits) {
  using Answer = std::variant<hooks::HookPlan, BuildFailure>;
  TRY(const std::string output, make_plan_file(input.run_directory));
  BuildPaths beside = paths;
  beside.output_file = output;
  TRY(const launch::Facts facts,
      run_rewriter(input, beside, limits,
                   rewriter_command({"plan", fmt::format("-o={}", inside::kOutput)}, target, limits),
                   kCapturedMessages));
  if (!succeeded(facts)) return Answer(read_failure(facts, limits));
  const auto text = read_file(output, kMostPlanBytes);
  if (!text && text.error().sys_errno == EFBIG) return Answer(plan_too_large(input.hooks.rules_file));
  if (!text) return text.error();
  TRY(hooks::HookPlan plan, hooks::parse_hook_plan(*text));
  // A shipped set is written for every program and every Go release: what this one lacks is no mistake in it.
  std::erase_if(plan.errors,
                [&](const hooks::RuleError& error) { return input.hooks.shipped_rules.contains(error.rule); });
  if (!plan.errors.empty()) return Answer(rules_failure(plan, input.hooks.rules_file));
  for (hooks::PlannedPackage& package : plan.packages)
    for (hooks::PlannedSite& site : package.sites) site.file = without_inside("\t" + site.file, "\t").substr(1);
  return Answer(std::move(plan));
}

Result<std::string> answer_of_rewriter(const HookInput& input, const BuildPaths& paths, const BuildTarget& target,
                                       const Limits& limits, const std::vector<std::string>& words) {
  TRY(launch::Facts facts, run_rewriter(input, paths, limits, rewriter_command(words, target, limits), kMostAnswer));
  if (succeeded(facts)) {
    const std::string before = words[0] == "list-functions" ? "\t" : "// ---- ";
    return without_inside(std::move(facts.stdout_stream.captured), before);
  }
  std::string said = std::move(facts.stderr_stream.captured);
  while (said.ends_with('\n')) said.pop_back();
  if (!said.empty()) return input_error(said);
  return host_error("the hook rewriter said nothing: " + describe_end(facts));
}

Result<hooks::HookPlan> standard_plan(const HookInput& input, const StdCache& std_library,
                                      const std::vector<std::string>& packages) {
  TRY_STATUS(check_standard(packages, std_library));
  TRY(const std::string toolchain, identity(input.toolchain));
  const Sha256Digest key =
      sha256(fmt::format("hook plan\n{}\n{}\n{}\n{}\ntags {}\n{}\n", kRecipe, toolchain, input.tool.digest.hex(),
                         sha256(input.hooks.rules_json).hex(), fmt::join(input.tags, ","), fmt::join(packages, "\n")));
  const std::string directory = input.state_directory + "/hook-plans";
  TRY_STATUS(make_directories(directory));
  const std::string path = fmt::format("{}/{:.32}", directory, key.hex());
  for (int attempt = 0;; ++attempt) {
    bool made = false;
    TRY(UniqueFd held, store::fill_and_hold(
                           path,
                           [&](const std::string& temporary) {
                             made = true;
                             return make_standard_plan(input, std_library, packages, temporary);
                           },
                           store::Durability::unsynced));
    TRY(auto plan, load_standard_plan(path));
    if (made) TRY_STATUS(store::evict(directory, kPlansCap));
    if (plan) return std::move(*plan);
    held.reset();
    if (attempt > 0) return host_error("the plan at " + path + " does not stay what was put there");
    TRY_STATUS(remove_tree(AT_FDCWD, path));  // damaged: made again
  }
}

Result<HookedStdCache> hooked_std_cache(const HookInput& input, const StdCache& std_library,
                                        const hooks::HookPlan& plan, Narrator& narrator) {
  TRY(const std::string toolchain, identity(input.toolchain));
  std::string what = fmt::format("hooked std\n{}\n{}\n{}\n{}\ntags {}\n", kRecipe, toolchain, input.tool.digest.hex(),
                                 fmt::join(plan.dependencies, " "), fmt::join(input.tags, ","));
  bool touched = false;
  for (const hooks::PlannedPackage& package : plan.packages) {
    if (!package.standard) continue;
    what += fmt::format("{} {}\n", package.path, package.hash);
    touched = true;
  }
  HookedStdCache cache{std_library.path, std_library.packages_path, std_library.packages_path, {}};
  if (!touched) return cache;
  const std::string directory = input.state_directory + "/hooked-std";
  TRY_STATUS(make_directories(directory));
  const std::string path = fmt::format("{}/{}-{:.16}", directory, input.toolchain.version, sha256(what).hex());
  bool filled = false;
  TRY(cache.held,
      store::fill_and_hold(
          path,
          [&](const std::string& temporary) {
            filled = true;
            narrator.note(fmt::format("compiling the standard library with the hooks of {}", input.hooks.rules_file));
            return fill(input, std_library, plan, temporary);
          },
          store::Durability::synced, input.cancel_fd));
  if (filled) TRY_STATUS(store::evict(directory, kCap));
  cache.path = path + "/cache";
  cache.packages_path = path + "/packages";
  cache.archives_path = path + "/archives";
  return cache;
}

std::optional<std::string> refused_rule(std::string_view messages, const std::string& rules_file) {
  std::istringstream lines{std::string(messages)};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(rules_file + ":")) return line;
  return std::nullopt;
}

std::vector<std::string> hook_notes(const std::vector<hooks::RefusedSite>& refused, std::string_view messages) {
  std::vector<std::string> notes;
  for (const hooks::RefusedSite& site : refused)
    if (notes.size() < kMostNotes) notes.push_back(fmt::format("not hooked: {}: {}", site.function, site.why));
  std::istringstream lines{std::string(messages)};
  for (std::string line; std::getline(lines, line) && notes.size() < kMostNotes;)
    if (line.starts_with(kUnhooked)) notes.push_back("not hooked: " + line.substr(kUnhooked.size()));
  return notes;
}

}  // namespace sandbox_run::go_build
