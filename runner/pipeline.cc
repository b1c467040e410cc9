// Theory of operation. A Road carries one request along its stages and writes down in the report how far it came. A
// stage answers a Result; an Error stops the road, and its fault and the stage it happened in give the verdict. What a
// stage has to say about the submission itself (findings, a compiler's diagnostics, facts of a run) is a value and
// becomes a verdict here and nowhere else.
#include "runner/pipeline.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>

#include "base/files.h"
#include "base/output_file.h"
#include "fetch/module_at.h"
#include "fetch/modules.h"
#include "go-build/elf_gate.h"
#include "go-build/toolchain.h"
#include "ingest/executable.h"
#include "launch/script.h"
#include "runner/cancel_watch.h"
#include "runner/progress.h"
#include "runner/run_plan.h"
#include "runner/runs.h"
#include "store/store.h"
#include "sum-verify/main_package.h"

namespace sandbox_run::runner {

using report::Report;
using report::Stage;
using report::Verdict;

namespace {

Diagnostic to_diagnostic(const sum_verify::Finding& finding) {
  using Class = sum_verify::Finding::Class;
  Diagnostic diagnostic;
  diagnostic.severity = finding.kind == Class::note ? Diagnostic::Severity::note : Diagnostic::Severity::error;
  diagnostic.code = finding.code;
  diagnostic.file = finding.file;
  diagnostic.line = finding.line;
  diagnostic.column = finding.column;
  diagnostic.message = finding.message;
  if (finding.kind == Class::mismatch && finding.want.starts_with("h1:") && finding.got.starts_with("h1:"))
    diagnostic.message += fmt::format(" (found {}, {} has {})", finding.got, finding.source, finding.want);
  if (!finding.hint.empty()) diagnostic.message += "; " + finding.hint;
  return diagnostic;
}

go_build::Hooks hooks_of(const hooks::RuleSet& rules) {
  go_build::Hooks hooks{rules.file, hooks::to_json(rules), {}};
  for (const hooks::Rule& rule : rules.rules)
    for (const std::string& set : rules.sets)
      if (rule.name.starts_with(set + "/")) hooks.shipped_rules.insert(rule.index);
  return hooks;
}

// What a person would call the program: the last element of the package's or the module's path.
std::string program_name(const ingest::Submission& submission) {
  std::string name = submission.package == "." ? submission.name : submission.package;
  name = name.substr(0, name.find('@'));
  while (name.ends_with('/')) name.pop_back();
  name = std::filesystem::path(name).filename().string();
  for (const char* suffix : {".go", ".zip", ".txtar", ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"}) {
    if (!name.ends_with(suffix)) continue;
    name.resize(name.size() - std::strlen(suffix));
    break;
  }
  return name.empty() || name == "." || name == ".." || name == "-" ? "main" : name;
}

// As 'go build' has it: a file that is there and is no program is not written over. The program's name may be the
// submitter's choice.
Status check_build_output(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) return {};
  TRY(const UniqueFd file, open_path(path, O_RDONLY));
  char magic[SELFMAG] = {};
  if (::pread(file.get(), magic, SELFMAG, 0) == SELFMAG && std::memcmp(magic, ELFMAG, SELFMAG) == 0) return {};
  return host_error("cannot write the program to " + path +
                    ": it is there already and is no program; remove it, or name another file with -o");
}

}  // namespace

class Pipeline::Road {
 public:
  Road(Pipeline& pipeline, const Request& request, const ReportSink& others = nullptr)
      : pipeline_(pipeline), request_(request), others_(others) {
    report_.limits = limits_section(request);
    report_.sandbox.profile = request.profile;
    report_.sandbox.network = request.network == launch::Network::none ? "none" : "loopback";
  }

  Report take_report() { return std::move(progress_.report); }

  // An Error ended the road at the stage it had come to.
  void stopped_by(const Error& error) {
    report_.message = error.what;
    if (error.sys_errno == ECANCELED) {
      report_.verdict = Verdict::canceled;
      return;
    }
    if (is_out_of_space(error.sys_errno) && error.what.find(pipeline_.state_directory_) != std::string::npos)
      report_.message +=
          "; make room there ('sandbox-run cache list' shows what is kept, 'cache clear' removes it), or "
          "set SANDBOX_RUN_STATE to a directory on another file system";
    switch (error.fault) {
      case Fault::input:
        report_.verdict = report_.stage == Stage::build ? Verdict::build_failed : Verdict::rejected;
        break;
      case Fault::host:
      case Fault::self:
        report_.verdict = Verdict::internal_error;
        break;
    }
  }

  Status run(const launch::Streams& streams) {
    TRY(ingest::Submission submission, take_in());
    // From here on the source is read-only and named only by descriptor.
    TRY(std::optional<sum_verify::VerifiedTree> tree, verify(submission));
    if (!tree) return {};
    TRY(std::optional<go_build::Artifact> artifact, build(submission, *tree));
    if (!artifact) return {};
    // From here on nothing of the submitter's runs outside the walls, and nothing it prints is believed.
    return launch({.name = program_name(submission),
                   .source_path = shows_source(request_) ? submission.snapshot_path : "",
                   .package = request_.action == Request::Action::test ? submission.package : ".",
                   .module_path = tree->module_path,
                   .program = [&]() -> Result<UniqueFd> { return std::move(artifact->program); }},
                  streams);
  }

  Status exec(const launch::Streams& streams) {
    report_.stage = Stage::ingest;
    report_.verify.result = "skipped";
    TRY(const ingest::ExecutableFile file, ingest::open_executable(request_.sources.at(0), request_.ingest_limits));
    return launch({.name = std::filesystem::path(file.path).filename().string(),
                   .source_path = "",
                   .module_path = "",
                   .program = [&] { return take_executable(file); }},
                  streams);
  }

  Status build_to(const std::string& output) {
    TRY(ingest::Submission submission, take_in());
    std::error_code none;
    const std::string path =
        std::filesystem::is_directory(output, none) ? output + "/" + program_name(submission) : output;
    TRY_STATUS(check_build_output(path));
    TRY(std::optional<sum_verify::VerifiedTree> tree, verify(submission));
    if (!tree) return {};
    TRY(std::optional<go_build::Artifact> artifact, build(submission, *tree));
    if (!artifact) return {};
    TRY(std::string bytes, read_program(artifact->program.get(), artifact->size));
    TRY_STATUS(write_output(path, bytes, 0755));
    report_.verdict = Verdict::ok;
    return {};
  }

  Result<hooks::HookPlan> plan_hooks() {
    TRY(ingest::Submission submission, take_in());
    TRY(std::optional<sum_verify::VerifiedTree> tree, verify(submission));
    if (!tree) return input_error(report_.message);
    TRY(go_build::Toolchain * go, toolchain());
    TRY(go_build::Request build_request, request_for_build());
    return go_build::plan_of_hooks(submission, *tree, *go, build_request, pipeline_.narrator_);
  }

  Result<std::string> ask_rewriter(const std::vector<std::string>& words) {
    TRY(go_build::Toolchain * go, toolchain());
    if (request_.sources.empty()) {
      TRY_STATUS(make_workspace());
      TRY(go_build::Request build_request, request_for_build());
      return go_build::ask_rewriter(nullptr, *go, build_request, words, pipeline_.narrator_);
    }
    TRY(ingest::Submission submission, take_in());
    TRY(std::optional<sum_verify::VerifiedTree> tree, verify(submission));
    if (!tree) return input_error(report_.message);
    TRY(go_build::Request build_request, request_for_build());
    const go_build::HookSubject subject{submission, *tree};
    return go_build::ask_rewriter(&subject, *go, build_request, words, pipeline_.narrator_);
  }

  Status verify_only(sum_verify::Verification& verification) {
    TRY(ingest::Submission submission, take_in());
    TRY(verification, verify_submission(submission));
    report_.verdict = verification.tree ? Verdict::ok : Verdict::verify_failed;
    return {};
  }

 private:
  Status make_workspace() {
    TRY_STATUS(make_directories(pipeline_.state_directory_));
    TRY(int removed, store::RunDirectory::remove_orphans(pipeline_.state_directory_));
    if (removed > 0) pipeline_.narrator_.note(fmt::format("removed what {} ended supervisors left", removed));
    TRY(workspace_, store::RunDirectory::create(pipeline_.state_directory_, report_.id));
    return {};
  }

  Result<go_build::Toolchain*> toolchain() {
    if (!toolchain_) {
      TRY(toolchain_, go_build::find_toolchain(request_.go_version, pipeline_.state_directory_));
    }
    return &*toolchain_;
  }

  Result<launch::Host*> host() {
    if (!host_) {
      TRY(host_, launch::Host::open());
    }
    return host_.get();
  }

  Result<fetch::Modules*> modules() {
    if (!modules_) {
      TRY(go_build::Toolchain * go, toolchain());
      fetch::Modules::Options options;
      options.state_directory = pipeline_.state_directory_;
      options.goroot = go->goroot;
      options.may_fetch = request_.fetch;
      TRY(modules_, fetch::Modules::open(options, pipeline_.narrator_));
    }
    return modules_.get();
  }

  // For stages without a supervision loop: a cancel ends this process at once, its workspace removed, its report given.
  Result<CancelWatch> watch_for_cancel() {
    return CancelWatch::start(pipeline_.cancel_fd_, [this, stage = report_.stage, id = report_.id](int signal) {
      Report report;
      report.id = id;
      report.stage = stage;
      report.limits = limits_section(request_);
      report.verdict = Verdict::canceled;
      report.message = "canceled by " + report::signal_name(signal);
      // The stage may still be writing; what it adds after this is removed by the next start.
      if (workspace_) (void)remove_tree(AT_FDCWD, workspace_->path());
      if (pipeline_.on_cancel_) pipeline_.on_cancel_(report);
      ::_exit(report.exit_status());
    });
  }

  Result<ingest::Submission> take_in() {
    report_.stage = Stage::ingest;
    TRY_STATUS(make_workspace());
    TRY(const CancelWatch watch, watch_for_cancel());
    ingest::Request ingest_request;
    ingest_request.sources = request_.sources;
    ingest_request.root = request_.root;
    ingest_request.standard_input = request_.standard_input;
    ingest_request.limits = request_.ingest_limits;
    std::optional<fetch::ModuleAt>
        module;  // lives until the snapshot is taken: an unpinned one's directory goes with it
    if (request_.sources.size() == 1 && ingest::is_module_version(request_.sources[0])) {
      report_.stage = Stage::fetch;
      TRY(module, progress_.timed("fetch", [&] { return fetch_module(); }));
      ingest_request.sources = {module->directory + (module->package == "." ? "" : module->package.substr(1))};
      ingest_request.root = module->directory;
      report_.verify.pin = module->h1;
      unpinned_ = !module->pinned;
      report_.stage = Stage::ingest;
    } else if (!request_.pin.empty()) {
      return input_error(
          fmt::format("cannot hold {} against --pin {}: a pin is the hash of a module@version's zip; a "
                      "directory, files or an archive run without one",
                      fmt::join(request_.sources, " "), request_.pin));
    }
    TRY(ingest::Submission submission, progress_.timed("ingest", [&] {
      return ingest::snapshot(ingest_request, workspace_->path(), pipeline_.narrator_);
    }));
    if (module) {
      submission.kind = ingest::Submission::Kind::module_version;
      submission.name = request_.sources[0];
    }
    progress_.note(report::Note::About::submission, submission.dropped);
    return submission;
  }

  Result<std::optional<fetch::ModuleAt>> fetch_module() {
    TRY(fetch::Modules * source, modules());
    TRY(fetch::ModuleAt module, fetch::module_at(request_.sources[0], request_.pin, request_.unpinned, *source));
    return std::optional<fetch::ModuleAt>(std::move(module));
  }

  Result<sum_verify::Verification> verify_submission(const ingest::Submission& submission) {
    report_.stage = Stage::verify;
    TRY(const CancelWatch watch, watch_for_cancel());
    TRY(go_build::Toolchain * go, toolchain());
    TRY(fetch::Modules * source, modules());
    TRY(const UniqueFd module,
        open_beneath(submission.root.get(), submission.module, O_PATH | O_DIRECTORY, kResolveStrict));
    source->expect_go_sum_in(module.get());
    sum_verify::Options options;
    options.tags = request_.tags;
    options.toolchain_go_version = go->number();
    options.tests = request_.action == Request::Action::test;
    TRY(sum_verify::Verification verification, progress_.timed("verify", [&] {
      return sum_verify::verify(submission, options, *source, pipeline_.narrator_);
    }));
    for (const sum_verify::Finding& finding : verification.findings)
      report_.diagnostics.push_back(to_diagnostic(finding));
    describe_verification(verification);
    return verification;
  }

  void describe_verification(const sum_verify::Verification& verification) {
    if (!verification.tree) {
      report_.verify.result = "failed";
      report_.verdict = Verdict::verify_failed;
      report_.message = "cannot be verified";
      for (const Diagnostic& diagnostic : report_.diagnostics) {
        if (diagnostic.severity != Diagnostic::Severity::error) continue;
        report_.message = (diagnostic.file.empty() ? "" : diagnostic.file + ": ") + diagnostic.message;
        break;
      }
      return;
    }
    report_.verify.modules = verification.tree->modules.size();
    report_.verify.files = verification.tree->files;
    report_.verify.bytes = verification.tree->bytes;
    report_.verify.result = unpinned_                            ? "unpinned"
                            : verification.tree->modules.empty() ? "no modules needed"
                                                                 : "verified";
  }

  Result<std::optional<sum_verify::VerifiedTree>> verify(const ingest::Submission& submission) {
    if (request_.action == Request::Action::run)
      TRY_STATUS(sum_verify::require_main_package(submission, request_.tags));
    TRY(sum_verify::Verification verification, verify_submission(submission));
    return std::move(verification.tree);
  }

  Result<std::optional<go_build::Artifact>> build(const ingest::Submission& submission,
                                                  const sum_verify::VerifiedTree& tree) {
    report_.stage = Stage::build;
    TRY(go_build::Toolchain * go, toolchain());
    TRY(go_build::Request build_request, request_for_build());
    TRY(go_build::BuildOutcome outcome, progress_.timed("build", [&] {
      return go_build::build(submission, tree, *go, build_request, pipeline_.narrator_);
    }));
    describe_build(outcome, *go);
    return std::move(outcome.artifact);
  }

  Result<go_build::Request> request_for_build() {
    go_build::Request build_request;
    build_request.tags = request_.tags;
    build_request.symbols = request_.symbols;
    build_request.test_binary = request_.action == Request::Action::test;
    build_request.limits = request_.build_limits;
    if (request_.trace) build_request.hooks = hooks_of(*request_.trace);
    build_request.state_directory = pipeline_.state_directory_;
    build_request.cancel_fd = pipeline_.cancel_fd_;
    TRY(build_request.host, host());
    return build_request;
  }

  void describe_build(const go_build::BuildOutcome& outcome, const go_build::Toolchain& go) {
    report_.build = report::BuildSection{.go_version = go.version};
    if (outcome.artifact) {
      report_.build->cached = outcome.artifact->cached;
      report_.build->wall_time = outcome.artifact->wall_time;
      report_.build->binary_sha256 = outcome.artifact->sha256.hex();
      report_.build->binary = outcome.artifact->size;
      report_.build->instrumented = request_.trace.has_value();
      progress_.note(report::Note::About::hooks, outcome.artifact->notes);
      return;
    }
    const go_build::BuildFailure& failure = outcome.failure;
    report_.build->wall_time = failure.wall_time;
    report_.verdict =
        failure.limit == go_build::BuildFailure::Limit::none ? Verdict::build_failed : Verdict::build_limit_exceeded;
    report_.message = failure.message;
    report_.build_output = failure.output + (failure.output_truncated ? "(there was more; it is left out)\n" : "");
    report_.diagnostics.insert(report_.diagnostics.end(), failure.diagnostics.begin(), failure.diagnostics.end());
  }

  // The copy takes about as long as init takes for its script, so the two happen side by side.
  Result<UniqueFd> take_executable(const ingest::ExecutableFile& file) {
    report_.stage = Stage::ingest;
    TRY(ingest::Executable executable, progress_.timed("ingest", [&] { return ingest::copy_executable(file); }));
    // A profile other than Go's own may let a dynamic program load what --mount-ro shows it.
    if (request_.profile == "go-run") {
      TRY(std::optional<std::string> refusal,
          go_build::refuse_elf(executable.program.get(), go_build::ElfPolicy::static_program));
      if (refusal) {
        const bool dynamic = refusal->find("dynamically linked") != std::string::npos;
        return input_error(fmt::format("{}: {}{}", file.path, *refusal,
                                       dynamic ? " (with --profile generic a dynamic one does, --mount-ro showing it "
                                                 "its libraries)"
                                               : ""));
      }
    }
    report_.build = report::BuildSection{.binary = executable.size};
    report_.stage = Stage::run;
    return std::move(executable.program);
  }

  Status launch(const Launched& launched, const launch::Streams& streams) {
    report_.stage = Stage::run;
    TRY(launch::Host * walls, host());
    return Runs(request_, progress_, {*walls, pipeline_.state_directory_, pipeline_.cancel_fd_, others_})
        .run(launched, streams);
  }

  Pipeline& pipeline_;
  const Request& request_;
  const ReportSink others_;
  Progress progress_{pipeline_.narrator_};
  Report& report_ = progress_.report;
  bool unpinned_ = false;  // a module@version that nothing vouches for
  std::optional<store::RunDirectory> workspace_;
  std::optional<go_build::Toolchain> toolchain_;
  std::unique_ptr<fetch::Modules> modules_;
  std::unique_ptr<launch::Host> host_;
};

Report Pipeline::run(const Request& request, const launch::Streams& streams, const ReportSink& others) {
  Road road(*this, request, others);
  if (Status status = road.run(streams); !status) road.stopped_by(status.error());
  return road.take_report();
}

Report Pipeline::exec(const Request& request, const launch::Streams& streams, const ReportSink& others) {
  Road road(*this, request, others);
  if (Status status = road.exec(streams); !status) road.stopped_by(status.error());
  return road.take_report();
}

Report Pipeline::build(const Request& request, const std::string& output) {
  Road road(*this, request);
  if (Status status = road.build_to(output); !status) road.stopped_by(status.error());
  return road.take_report();
}

Pipeline::Verified Pipeline::verify(const Request& request) {
  Road road(*this, request);
  Verified verified;
  if (Status status = road.verify_only(verified.verification); !status) road.stopped_by(status.error());
  verified.report = road.take_report();
  return verified;
}

Result<hooks::HookPlan> Pipeline::plan_hooks(const Request& request) { return Road(*this, request).plan_hooks(); }

Result<std::string> Pipeline::ask_rewriter(const Request& request, const std::vector<std::string>& words) {
  return Road(*this, request).ask_rewriter(words);
}

Status Pipeline::check(const Request& request) {
  TRY_STATUS(check_mounts(request));
  TRY_STATUS(check_repeat(request));
  TRY(launch::Plan plan, plan_for(request, "check", "", "."));
  if (auto mounts = launch::plan_mounts(plan); !mounts) return mounts.error();
  return launch::check_names(plan);
}

Result<std::string> Pipeline::dry_run(const Request& request) {
  // Nothing is taken in, so the snapshot has no path yet; it is named by what it is.
  TRY(launch::Plan plan, plan_for(request, "dry-run", shows_source(request) ? "(the snapshot)" : "", "."));
  TRY_STATUS(watch_calls(request, plan));
  return launch::render(plan);
}

}  // namespace sandbox_run::runner
