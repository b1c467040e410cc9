// Theory of operation. A build is a sandboxed run of the go command:
//   key       everything the binary depends on, hashed; the artifact cache answers for it if it can
//   std cache our own `go build std`, filled once per toolchain, read-only from then on
//   sandbox   GOROOT, the snapshot and the build list's modules, all read-only; one empty file of ours to write to,
//             with hooks a second one
//   collect   when everything inside is dead: through the descriptor we opened before it started, so no path of the
//             build's is ever followed; into a sealed memfd, through the ELF gate, into the artifact cache
#include "go-build/build.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <sstream>

#include "base/files.h"
#include "go-build/artifact_cache.h"
#include "go-build/build_code.h"
#include "go-build/build_plan.h"
#include "go-build/elf_gate.h"
#include "go-build/go_command.h"
#include "go-build/hooked_build.h"
#include "go-build/hooked_compile.h"
#include "go-build/inside.h"
#include "go-build/module_view.h"
#include "go-build/replay.h"
#include "go-build/replay_source.h"
#include "go-build/std_cache.h"
#include "store/store.h"
#include "sum-verify/build_constraint.h"

namespace sandbox_run::go_build {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::steady_clock;

BuildFailure refusal(BuildCode code, std::string message) {
  BuildFailure failure;
  failure.diagnostics.push_back(Diagnostic{Diagnostic::Severity::error, build_code_name(code), "", 0, 0, message});
  failure.output = message + "\n";
  failure.message = std::move(message);
  return failure;
}

// "a/b" as seen from `directory` ("." or "a"); nothing where it is not below.
std::optional<std::string> below(const std::string& directory, std::string path) {
  if (path.starts_with("./")) path.erase(0, 2);
  if (directory == ".") return path;
  if (path == directory) return ".";
  if (!path.starts_with(directory + "/")) return std::nullopt;
  return path.substr(directory.size() + 1);
}

// Without a go.mod the go command builds a list of files; those it would take from a directory on its own.
std::vector<std::string> files_of_package(const ingest::Submission& submission, bool tests) {
  std::string directory = submission.package == "." ? "" : submission.package.substr(2) + "/";
  std::vector<std::string> files;
  for (const auto& file : submission.files) {
    if (!file.path.starts_with(directory) || !file.path.ends_with(".go")) continue;
    std::string_view name = std::string_view(file.path).substr(directory.size());
    if (name.find('/') != std::string_view::npos || name[0] == '_' || name[0] == '.') continue;
    if (name.ends_with("_test.go") && !tests) continue;
    files.push_back(file.path);
  }
  return files;
}

Result<BuildTarget> target_of(const ingest::Submission& submission, const sum_verify::VerifiedTree& tree,
                              const Request& request) {
  BuildTarget target;
  if (submission.package != "." && !submission.package.starts_with("./"))
    return self_error(fmt::format("the package '{}' is not named relative to its module", submission.package));
  auto package = below(submission.module, submission.package);
  if (!package)
    return self_error(fmt::format("the package {} is not in the module at {}", submission.package, submission.module));
  target.directory = submission.module;
  target.package = *package == "." ? "." : "./" + *package;
  auto files = submission.go_files;
  if (files.empty() && !submission.has_go_mod) files = files_of_package(submission, request.test_binary);
  for (const auto& file : files) {
    auto inside_module = below(submission.module, file);
    if (!inside_module) return self_error(fmt::format("{} is not in the module at {}", file, submission.module));
    target.files.push_back(*inside_module);
  }
  target.vendored = tree.vendored;
  target.tags = request.tags;
  target.symbols = request.symbols;
  target.test_binary = request.test_binary;
  return target;
}

// A cache that answers for this key answers for exactly this source, these modules, this toolchain and this recipe.
Sha256Digest key_of(const ingest::Submission& submission, const sum_verify::VerifiedTree& tree,
                    const std::string& toolchain, const BuildTarget& target, const std::optional<Hooks>& hooks) {
  std::string what = fmt::format("artifact\ntree {}\nmodules {}\ntoolchain {}\nos linux\narchitecture amd64\n{}",
                                 submission.tree_digest().hex(), tree.digest().hex(), toolchain, describe(target));
  if (hooks) what += fmt::format("hooks {} {}\n", sha256(hooks->rules_json).hex(), hook_sources_digest().hex());
  return sha256(what);
}

// An empty file in a directory nobody else can enter; inside, it is bound over /out/program. All a build without
// hooks can write outside its memory is this one inode, up to RLIMIT_FSIZE; one with hooks has a plan's besides.
struct OutputFile {
  std::string path;
  UniqueFd fd;
};

Result<OutputFile> make_output_file(const std::string& directory) {
  OutputFile file;
  file.path = directory + "/program";
  TRY(file.fd, make_output(file.path));
  return file;
}

// REQUIRES: everything of the build is dead, so nobody writes to it any more.
Result<std::variant<SealedProgram, BuildFailure>> collect(const OutputFile& file, const Request& request,
                                                          const std::string& package) {
  struct stat info {};
  if (::fstat(file.fd.get(), &info) != 0) return host_error(errno, "cannot examine the built program");
  if (info.st_size == 0)
    return std::variant<SealedProgram, BuildFailure>(refusal(
        BuildCode::GB004, request.test_binary
                              ? fmt::format("package {} has no tests: there are no _test.go files in it", package)
                              : "nothing was linked: the package has no program in it"));
  char start[8] = {};
  if (::pread(file.fd.get(), start, sizeof start, 0) < 0) return host_error(errno, "cannot read the built program");
  if (std::string_view(start, sizeof start) == "!<arch>\n")
    return std::variant<SealedProgram, BuildFailure>(
        refusal(BuildCode::GB004, "the package is not a program: its package clause does not say main"));
  auto sealed = seal_program(file.fd.get(), request.limits.output);
  if (!sealed) {
    if (sealed.error().sys_errno != EFBIG) return std::move(sealed).error();
    auto failure = refusal(BuildCode::GB005, sealed.error().what);
    failure.limit = BuildFailure::Limit::output;
    return std::variant<SealedProgram, BuildFailure>(std::move(failure));
  }
  TRY(auto refused, refuse_elf(sealed->program.get(), ElfPolicy::go_program));
  if (refused)
    return std::variant<SealedProgram, BuildFailure>(
        refusal(BuildCode::GB004, fmt::format("the built program was refused: {}", *refused)));
  return std::variant<SealedProgram, BuildFailure>(std::move(*sealed));
}

Artifact artifact_of(SealedProgram sealed, const Toolchain& toolchain, bool cached) {
  Artifact artifact;
  artifact.program = std::move(sealed.program);
  artifact.sha256 = sealed.sha256;
  artifact.size = sealed.size;
  artifact.go_version = toolchain.version;
  artifact.cached = cached;
  std::istringstream notes(sealed.notes);
  for (std::string line; std::getline(notes, line);) artifact.notes.push_back(line);
  return artifact;
}

class Build {
 public:
  Build(const ingest::Submission& submission, const sum_verify::VerifiedTree& tree, const Toolchain& toolchain,
        const Request& request, Narrator& narrator)
      : submission_(submission), tree_(tree), toolchain_(toolchain), request_(request), narrator_(narrator) {}

  Result<BuildOutcome> run() {
    const auto start = steady_clock::now();
    TRY(BuildOutcome outcome, answer());
    auto took = duration_cast<microseconds>(steady_clock::now() - start);
    if (outcome.artifact) outcome.artifact->wall_time = took;
    outcome.failure.wall_time = took;
    return outcome;
  }

 private:
  Result<BuildOutcome> answer() {
    for (const std::string& tag : request_.tags) TRY_STATUS(sum_verify::check_build_tag(tag));
    TRY(BuildTarget target, target_of(submission_, tree_, request_));
    BuildOutcome outcome;
    if (!submission_.has_go_mod && target.files.empty()) {
      outcome.failure = refusal(BuildCode::GB003, fmt::format("no Go files in {}", submission_.package));
      return outcome;
    }
    TRY(std::string toolchain, identity(toolchain_));
    const Sha256Digest key = key_of(submission_, tree_, toolchain, target, request_.hooks);
    ArtifactCache cache(request_.state_directory);
    if (request_.use_artifact_cache) {
      TRY(auto found, cache.find(key));
      if (found) {
        narrator_.note(fmt::format("built before: sha256 {}", found->sha256.hex()));
        outcome.artifact = artifact_of(std::move(*found), toolchain_, true);
        return outcome;
      }
    }
    TRY(auto made, make(target, outcome));
    if (!made) return outcome;
    if (request_.use_artifact_cache) TRY_STATUS(keep(cache, key, *made));
    outcome.artifact = artifact_of(std::move(*made), toolchain_, false);
    outcome.artifact->replayed = replayed_;
    outcome.artifact->planned_first = planned_first_;
    return outcome;
  }

  // A disk without room for the cache costs the next build its speed, not this one its program.
  Status keep(const ArtifactCache& cache, const Sha256Digest& key, const SealedProgram& made) {
    Status kept = cache.keep(key, made);
    if (kept || !is_out_of_space(kept.error().sys_errno)) return kept;
    narrator_.note("not kept for the next time: " + kept.error().what);
    return {};
  }

  Result<launch::Host*> host() {
    if (request_.host) return request_.host;
    TRY(own_host_, launch::Host::open());
    return own_host_.get();
  }

  // nullopt: `outcome` says why.
  Result<std::optional<SealedProgram>> make(const BuildTarget& target, BuildOutcome& outcome) {
    TRY(launch::Host * host_of_all, host());
    TRY(StdCache std_library,
        std_cache(*host_of_all, toolchain_, request_.state_directory, narrator_, request_.cancel_fd));
    std::string id = unique_id("build");
    TRY(auto run, store::RunDirectory::create(request_.state_directory, id));
    TRY(OutputFile output, make_output_file(run.path()));
    TRY(BuildPaths paths, paths_of(toolchain_));
    paths.source = submission_.snapshot_path;
    paths.directory = target.directory;
    paths.std_cache = std_library.path;
    paths.output_file = output.path;
    narrator_.note(fmt::format("building {} with {}", submission_.name, toolchain_.version));
    // From here on the compiler reads what the submitter wrote: whatever it does, it does behind the walls.
    const ReplayInput replayed{*host_of_all,     toolchain_,
                               std_library,      request_.state_directory,
                               run.path(),       submission_.snapshot_path,
                               output.path,      request_.limits,
                               request_.symbols, request_.cancel_fd};
    if (request_.hooks) return make_hooked(replayed, std::move(paths), target, output, outcome);
    if (auto source = request_.use_shortcuts ? replay_source_of(std_library, target) : std::nullopt) {
      TRY(auto facts, replay(replayed, *source));
      if (facts) {
        replayed_ = true;
        return finish(*facts, output, outcome);
      }
      TRY_STATUS(empty(output));
    }
    TRY(paths.modules, lay_out_modules(tree_, run.path() + "/modules"));
    TRY(launch::Facts facts,
        run_go(*host_of_all, build_plan(paths, request_.limits, id, std::time(nullptr)), toolchain_,
               build_command(target, request_.limits, processors()), -1, request_.cancel_fd));
    return finish(facts, output, outcome);
  }

  // As make(), from where the sandbox's view is laid out.
  Result<std::optional<SealedProgram>> make_hooked(const ReplayInput& replayed, BuildPaths paths, BuildTarget target,
                                                   const OutputFile& output, BuildOutcome& outcome) {
    launch::Host& walls = replayed.host;
    const StdCache& std_library = replayed.std_library;
    TRY(const HookTool tool,
        hook_tool(walls, toolchain_, std_library, request_.state_directory, narrator_, request_.cancel_fd));
    const HookInput input{
        walls,         toolchain_,        tool, *request_.hooks, request_.state_directory, replayed.run_directory,
        request_.tags, request_.cancel_fd};
    TRY(paths.modules, lay_out_modules(tree_, replayed.run_directory + "/modules"));
    if (request_.use_shortcuts) {
      const auto source = replay_source_of(std_library, target);
      TRY(auto done, source ? replay_hooked(replayed, *source, input, narrator_)
                            : compile_hooked(input, std_library, paths, target, request_.limits, tree_.standard_imports,
                                             narrator_));
      if (done) {
        replayed_ = source.has_value();
        return finish_hooked(done->facts, done->notes, output, outcome);
      }
      TRY_STATUS(empty(output));
    }
    planned_first_ = true;
    narrator_.note("planning what the rules hook in the whole program");
    add_hook_mounts(tool, *request_.hooks, paths);
    TRY(auto planned, plan_hooks(input, paths, target, request_.limits));
    if (auto* failure = std::get_if<BuildFailure>(&planned)) {
      outcome.failure = std::move(*failure);
      return std::optional<SealedProgram>();
    }
    const auto& plan = std::get<hooks::HookPlan>(planned);
    // Of that plan, which was made next to the submission's source, only names of packages reach what others are given.
    TRY(const hooks::HookPlan standard, standard_plan(input, std_library, plan.dependencies));
    TRY(const HookedStdCache hooked_std, hooked_std_cache(input, std_library, standard, narrator_));
    paths.std_cache = hooked_std.path;
    target.hook_flags = hook_flags(standard, &plan);
    target.symbol_table = true;
    TRY(launch::Facts facts,
        run_go(walls, build_plan(paths, request_.limits, unique_id("build"), std::time(nullptr)), toolchain_,
               build_command(target, request_.limits, processors()), -1, request_.cancel_fd));
    return finish_hooked(facts, hook_notes(plan.refused, facts.stderr_stream.captured), output, outcome);
  }

  Result<std::optional<SealedProgram>> finish_hooked(const launch::Facts& facts, const std::vector<std::string>& notes,
                                                     const OutputFile& output, BuildOutcome& outcome) {
    TRY(auto sealed, finish(facts, output, outcome));
    if (sealed)
      for (const std::string& note : notes) sealed->notes += note + "\n";
    return sealed;
  }

  // nullopt: not a program that a replay is for.
  std::optional<ReplaySource> replay_source_of(const StdCache& std_library, const BuildTarget& target) const {
    const auto packages = std_package_names(std_library);
    if (!packages) return std::nullopt;
    auto read = [&](const std::string& path) -> std::optional<std::string> {
      auto file = open_beneath(submission_.root.get(), path, O_RDONLY, kResolveStrict);
      if (!file) return std::nullopt;
      auto text = read_to_end(file->get(), Bytes{4 << 20}, path);
      return text ? std::optional(std::move(*text)) : std::nullopt;
    };
    return replay_source(submission_, target, *packages, read);
  }

  // A linker that gave up may have left something, which the go command would not write over.
  static Status empty(const OutputFile& output) {
    if (::ftruncate(output.fd.get(), 0) != 0) return host_error(errno, "cannot empty " + output.path);
    return {};
  }

  // Everything of the build is dead. nullopt: `outcome` says why there is no program.
  Result<std::optional<SealedProgram>> finish(const launch::Facts& facts, const OutputFile& output,
                                              BuildOutcome& outcome) {
    for (const auto& call : facts.denied)
      narrator_.note(fmt::format("the build's system call {} was denied {} times", call.syscall, call.count));
    if (!succeeded(facts)) {
      SubmittedFiles submitted;
      submitted.directory = submission_.module;
      for (const auto& file : submission_.files) submitted.paths.insert(file.path);
      outcome.failure = read_failure(facts, request_.limits, &submitted);
      if (outcome.failure.limit == BuildFailure::Limit::output) TRY_STATUS(require_room_for(output));
      return std::optional<SealedProgram>();
    }
    TRY(auto collected, collect(output, request_, submission_.package));
    if (auto* sealed = std::get_if<SealedProgram>(&collected)) return std::optional<SealedProgram>(std::move(*sealed));
    outcome.failure = std::move(std::get<BuildFailure>(collected));
    return std::optional<SealedProgram>();
  }

  // Nearly all of a build that stands on the host's disk is the program; what was written of it is still there. A full
  // disk is not the submitter's limit.
  static Status require_room_for(const OutputFile& output) {
    constexpr Bytes kFull{1 << 20};
    TRY(Bytes left, free_space(output.path));
    if (left >= kFull) return {};
    return Error{Fault::host, ENOSPC,
                 fmt::format("cannot write the built program to {}: its file system has {} left", output.path,
                             format_bytes(left))};
  }

  const ingest::Submission& submission_;
  const sum_verify::VerifiedTree& tree_;
  const Toolchain& toolchain_;
  const Request& request_;
  Narrator& narrator_;
  std::unique_ptr<launch::Host> own_host_;
  bool replayed_ = false;
  bool planned_first_ = false;
};

// A sandbox's view for asking the rewriter: what a build sees, without one.
struct RewriterSetting {
  static Result<RewriterSetting> make(const Toolchain& toolchain, const Request& request, Narrator& narrator) {
    RewriterSetting setting(toolchain, request);
    setting.host = request.host;
    if (!setting.host) {
      TRY(setting.own_host, launch::Host::open());
      setting.host = setting.own_host.get();
    }
    TRY(setting.std_library, std_cache(*setting.host, toolchain, request.state_directory, narrator, request.cancel_fd));
    TRY(setting.tool,
        hook_tool(*setting.host, toolchain, setting.std_library, request.state_directory, narrator, request.cancel_fd));
    TRY(auto run, store::RunDirectory::create(request.state_directory, unique_id("hooks")));
    setting.run = std::make_unique<store::RunDirectory>(std::move(run));
    TRY(setting.paths, paths_of(toolchain));
    setting.paths.std_cache = setting.std_library.path;
    if (request.hooks) setting.hooks = *request.hooks;
    add_hook_mounts(setting.tool, setting.hooks, setting.paths);
    return setting;
  }
  Status show(const ingest::Submission& submission, const sum_verify::VerifiedTree& tree, const BuildTarget& target) {
    paths.source = submission.snapshot_path;
    paths.directory = target.directory;
    TRY(paths.modules, lay_out_modules(tree, run->path() + "/modules"));
    return {};
  }
  HookInput input() const {
    return {*host, toolchain, tool, hooks, request.state_directory, run->path(), request.tags, request.cancel_fd};
  }

  const Toolchain& toolchain;
  const Request& request;
  std::unique_ptr<launch::Host> own_host;
  launch::Host* host = nullptr;
  StdCache std_library;
  HookTool tool;
  Hooks hooks;
  std::unique_ptr<store::RunDirectory> run;
  BuildPaths paths;

 private:
  RewriterSetting(const Toolchain& the_toolchain, const Request& the_request)
      : toolchain(the_toolchain), request(the_request) {}
};

}  // namespace

Result<hooks::HookPlan> plan_of_hooks(const ingest::Submission& submission, const sum_verify::VerifiedTree& tree,
                                      const Toolchain& toolchain, const Request& request, Narrator& narrator) {
  TRY(BuildTarget target, target_of(submission, tree, request));
  TRY(RewriterSetting setting, RewriterSetting::make(toolchain, request, narrator));
  TRY_STATUS(setting.show(submission, tree, target));
  TRY(auto planned, plan_hooks(setting.input(), setting.paths, target, request.limits));
  if (auto* failure = std::get_if<BuildFailure>(&planned)) return input_error(failure->message);
  return std::get<hooks::HookPlan>(std::move(planned));
}

Result<std::string> ask_rewriter(const HookSubject* subject, const Toolchain& toolchain, const Request& request,
                                 const std::vector<std::string>& words, Narrator& narrator) {
  TRY(RewriterSetting setting, RewriterSetting::make(toolchain, request, narrator));
  BuildTarget target;
  target.package = "std";
  if (subject) {
    TRY(target, target_of(subject->submission, subject->tree, request));
    TRY_STATUS(setting.show(subject->submission, subject->tree, target));
  }
  return answer_of_rewriter(setting.input(), setting.paths, target, request.limits, words);
}

Result<BuildOutcome> build(const ingest::Submission& submission, const sum_verify::VerifiedTree& tree,
                           const Toolchain& toolchain, const Request& request, Narrator& narrator) {
  return Build(submission, tree, toolchain, request, narrator).run();
}

}  // namespace sandbox_run::go_build
