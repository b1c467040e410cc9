#include "sum-verify/main_module.h"

#include <fcntl.h>

#include <algorithm>

#include "base/files.h"
#include "sum-verify/go_version.h"
#include "sum-verify/module_path.h"
#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {
namespace {

constexpr Bytes kMaxGoSumBytes{64ull << 20};
constexpr Bytes kMaxMainGoModBytes{16ull << 20};

bool has_file(const ingest::Submission& submission, const std::string& path) {
  return submission.find(path) != nullptr;
}

// nullopt where the snapshot has no such file, or one that is too large (which is a finding).
Result<std::optional<std::string>> read_if_there(const ingest::Submission& submission, const std::string& name,
                                                 Bytes limit, Findings& findings) {
  const ingest::SubmittedFile* submitted = submission.find(name);
  if (submitted == nullptr) return std::optional<std::string>();
  if (submitted->size > limit) {
    Finding& finding = findings.add(FindingCode::SV504, name + " is larger than " + format_bytes(limit));
    finding.file = name;
    finding.hint = "'go mod tidy' leaves only what the build needs";
    return std::optional<std::string>();
  }
  TRY(const UniqueFd file, open_beneath(submission.root.get(), name, O_RDONLY | O_NONBLOCK, kResolveStrict));
  TRY(std::string text, read_to_end(file.get(), limit, name));
  return std::optional<std::string>(std::move(text));
}

}  // namespace

std::optional<std::string> too_new(const std::string& what, const std::string& wanted, const std::string& toolchain) {
  if (wanted.empty() || toolchain.empty() || compare_go_versions(wanted, toolchain) <= 0) return std::nullopt;
  return what + " requires go >= " + wanted + " (running go " + toolchain + "; GOTOOLCHAIN=local)";
}

Result<MainModule> MainModule::read(const ingest::Submission& submission, const std::string& toolchain_go_version,
                                    Findings& findings) {
  MainModule main;
  main.directory_ = submission.module;
  TRY(const auto mod_text, read_if_there(submission, main.file("go.mod"), kMaxMainGoModBytes, findings));
  TRY(const auto sum_text, read_if_there(submission, main.file("go.sum"), kMaxGoSumBytes, findings));
  if (sum_text) main.sum_ = GoSum::parse(*sum_text);
  main.exists_ = has_file(submission, main.file("go.mod"));
  main.usable_ = main.exists_ == mod_text.has_value();
  if (mod_text) {
    GoModParse parse = parse_go_mod(*mod_text, GoModRole::main_module);
    for (const GoModProblem& problem : parse.problems) {
      Finding& finding = findings.add(FindingCode::SV301, problem.message);
      main.place(finding, problem.line, problem.column);
      finding.hint = "correct this line of go.mod";
      main.usable_ = false;
    }
    main.mod_ = std::move(parse.mod);
  }
  if (main.usable_) main.check(submission, toolchain_go_version, findings);
  main.check_sum(findings);
  return main;
}

void MainModule::check(const ingest::Submission& submission, const std::string& toolchain, Findings& findings) {
  if (!exists_) return;
  if (mod_.module.text.empty()) {
    place(findings.add(FindingCode::SV301,
                       "no module declaration in go.mod. To specify the module path: go mod edit "
                       "-module=example.com/mod"),
          mod_.module.line);
    usable_ = false;
  } else if (const Status status = check_import_path(mod_.module.text); !status) {
    place(findings.add(FindingCode::SV305, status.error().what), mod_.module.line);
    usable_ = false;
  }
  if (const auto message = too_new("go.mod", mod_.go.text, toolchain)) {
    Finding& finding = findings.add(FindingCode::SV408, *message);
    place(finding, mod_.go.line);
    finding.want = mod_.go.text;
    finding.got = toolchain;
    finding.hint = "lower the go line, or install that toolchain: sandbox-run toolchain install " + mod_.go.text;
  }
  if (mod_.toolchain.text.starts_with("go1")) {
    // "go1.22.1-suffix" is a vendor's build of go1.22.1. A '/' would make the go command look for a file.
    const std::string wanted = mod_.toolchain.text.substr(2, mod_.toolchain.text.find('-') - 2);
    if (mod_.toolchain.text.find_first_of("/\\") != std::string::npos || (!is_go_version(wanted) && wanted != "1")) {
      place(findings.add(FindingCode::SV301, "invalid toolchain version '" + mod_.toolchain.text +
                                                 "': must match format go1.23.0 or default"),
            mod_.toolchain.line);
    } else if (const auto message = too_new("the toolchain line", wanted, toolchain)) {
      Finding& finding = findings.add(FindingCode::SV408, *message);
      place(finding, mod_.toolchain.line);
      finding.want = wanted;
      finding.got = toolchain;
      finding.hint = "remove the toolchain line, or install it: sandbox-run toolchain install " + wanted;
    }
  }
  for (const GoModExclude& exclude : mod_.exclude) excluded_.insert(exclude.module);
  check_replacements(submission, findings);
  check_requirements(findings);
}

void MainModule::check_requirements(Findings& findings) const {
  for (const GoModRequire& require : mod_.require) {
    // A replaced module is never fetched under its own path, which may then be any import path.
    const Status status =
        is_replaced(require.module) ? check_import_path(require.module.path) : check_module_version(require.module);
    if (status) continue;
    Finding& finding = findings.add(FindingCode::SV305, require.module, status.error().what);
    place(finding, require.line);
    finding.hint = "no module proxy serves such a path; correct or remove the requirement";
  }
}

void MainModule::check_replacements(const ingest::Submission& submission, Findings& findings) {
  for (const GoModReplace& replace : mod_.replace) {
    const auto [earlier, fresh] = replacements_.try_emplace(replace.old, replace);
    if (!fresh && earlier->second.target != replace.target) {
      place(findings.add(FindingCode::SV301, replace.old,
                         "conflicting replacements for " + replace.old.path + ": " + earlier->second.target.path +
                             " and " + replace.target.path),
            replace.line);
      usable_ = false;
    }
    if (!replace.is_directory()) {
      if (const Status status = check_module_version(replace.target); !status) {
        place(findings.add(FindingCode::SV305, replace.target, status.error().what), replace.line);
      }
      continue;
    }
    const bool absolute = replace.target.path.starts_with('/');
    const auto inside = absolute ? std::nullopt : resolve_inside(join_path(directory_, replace.target.path));
    if (!inside) {
      Finding& finding =
          findings.add(FindingCode::SV409, replace.old,
                       "replacement directory " + replace.target.path + " is outside the submitted tree");
      place(finding, replace.line);
      finding.hint = "submit the directory that holds both (--root), or require a published version";
      usable_ = false;
      continue;
    }
    const std::string go_mod = join_path(*inside, "go.mod");
    if (!has_file(submission, go_mod)) {
      Finding& finding = findings.add(
          FindingCode::SV203, replace.old,
          "reading " + go_mod + ": no such file (the replacement directory is not in the submission or is no module)");
      place(finding, replace.line);
      finding.hint = "submit " + *inside + " with its go.mod, or remove the replacement";
      usable_ = false;
      continue;
    }
    directories_[replace.old] = *inside;
  }
}

void MainModule::check_sum(Findings& findings) const {
  for (const GoSumProblem& problem : sum_.problems()) {
    Finding& finding = findings.add(FindingCode::SV302, "malformed go.sum: " + file("go.sum") + ":" +
                                                            std::to_string(problem.line) + ": " + problem.message);
    place(finding, problem.line).file = file("go.sum");
    finding.hint = "every line is: module version hash; run go mod tidy where the module is developed";
  }
  for (const ModuleVersion& key : sum_.conflicts()) {
    const auto& lines = sum_.lines(key.path, key.version);
    const auto other = std::find_if(lines.begin(), lines.end(), [&](const GoSumLine& line) {
      return line.hash.starts_with("h1:") && line.hash != lines.front().hash;
    });
    Finding& finding =
        findings.add(FindingCode::SV303, key,
                     "go.sum has conflicting hashes for " + key.path + " " + key.version + " (lines " +
                         std::to_string(lines.front().line) + " and " + std::to_string(other->line) + ")");
    place(finding, other->line).file = file("go.sum");
    finding.want = lines.front().hash;
    finding.got = other->hash;
    finding.source = file("go.sum") + ":" + std::to_string(lines.front().line);
    finding.hint = "one of the two is wrong: find out which before building";
  }
}

std::string MainModule::file(const std::string& name) const { return join_path(directory_, name); }

Finding& MainModule::place(Finding& finding, int line, int column) const {
  finding.file = file("go.mod");
  finding.line = line;
  finding.column = column;
  return finding;
}

std::string MainModule::go_version() const { return mod_.go.text.empty() ? "1.16" : mod_.go.text; }

bool MainModule::pruned() const { return compare_go_versions(go_version(), "1.17") >= 0; }

const GoModReplace* MainModule::replacement(const ModuleVersion& module) const {
  auto found = replacements_.find(module);
  if (found == replacements_.end()) found = replacements_.find({module.path, ""});
  return found == replacements_.end() ? nullptr : &found->second;
}

Provenance MainModule::provenance(const ModuleVersion& module) const {
  const GoModReplace* replace = replacement(module);
  if (replace == nullptr) return {module, std::nullopt};
  if (!replace->is_directory()) return {replace->target, std::nullopt};
  return {module, directories_.at(replace->old)};  // usable() says that every directory was found
}

}  // namespace sandbox_run::sum_verify
