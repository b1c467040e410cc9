#include "sum-verify/verify.h"

#include <algorithm>

#include "base/path.h"
#include "sum-verify/build_list.h"
#include "sum-verify/evidence.h"
#include "sum-verify/findings.h"
#include "sum-verify/go_version.h"
#include "sum-verify/import_walk.h"
#include "sum-verify/main_module.h"
#include "sum-verify/source_gates.h"
#include "sum-verify/source_tree.h"
#include "sum-verify/text.h"
#include "sum-verify/vendor.h"

namespace sandbox_run::sum_verify {
namespace {

using ingest::Submission;

bool has_vendor_directory(const Submission& submission, const MainModule& main) {
  const std::string vendor = main.file("vendor");
  return std::any_of(submission.files.begin(), submission.files.end(), [&](const ingest::SubmittedFile& file) {
    return is_at_or_below(file.path, vendor) && file.path.size() > vendor.size();
  });
}

// nullopt where the build does not use vendor/. Source: cmd/go/internal/modload setDefaultBuildMod.
Result<std::optional<VendorList>> vendor_in_use(const Submission& submission, const SourceTree& tree,
                                                const MainModule& main, Findings& findings) {
  if (!main.exists() || !has_vendor_directory(submission, main)) return std::optional<VendorList>();
  if (main.mod().go.text.empty() || compare_go_versions(main.mod().go.text, "1.14") < 0) {
    findings.add(FindingCode::SV603, "the go line of go.mod is below 1.14, so vendor/ is not used").file =
        main.file("vendor");
    return std::optional<VendorList>();
  }
  VendorList list;
  if (tree.has("vendor/modules.txt")) {
    TRY(const std::string text, tree.read("vendor/modules.txt"));
    list = parse_vendor_list(text);
  }
  if (list.workspace) {
    findings.add(FindingCode::SV603, "vendor/ was made for a workspace, so it is not used").file =
        main.file("vendor/modules.txt");
    return std::optional<VendorList>();
  }
  return std::optional<VendorList>(std::move(list));
}

// A path of the snapshot as the main module has it; nullopt where it is outside of that.
std::optional<std::string> inside_module(const Submission& submission, const std::string& path) {
  const auto plain = resolve_inside(path);
  if (!plain || submission.module == ".") return plain;
  if (!is_at_or_below(*plain, submission.module)) return std::nullopt;
  return plain->size() == submission.module.size() ? "." : plain->substr(submission.module.size() + 1);
}

// nullopt where the asked package is not in the main module.
std::optional<WalkRequest> walk_request(const Submission& submission, const Options& options, bool vendored) {
  WalkRequest request;
  auto package = inside_module(submission, submission.package);
  for (const std::string& file : submission.go_files) {
    const auto inside = inside_module(submission, file);
    if (!inside) return std::nullopt;
    const std::string_view parent = directory_part(*inside);
    package = parent.empty() ? "." : std::string(parent);
    request.go_files.emplace_back(base_name(*inside));
  }
  if (!package) return std::nullopt;
  request.package = std::move(*package);
  request.tests = options.tests;
  request.vendored = vendored;
  request.context.tags.insert(options.tags.begin(), options.tags.end());
  request.context.go_minor = go_minor(options.toolchain_go_version);
  return request;
}

// Everything between a go.mod that parses and the decision. Answers the walk's standard_imports.
Result<std::set<std::string>> examine(const Submission& submission, const Options& options, const SourceTree& tree,
                                      const MainModule& main, const std::optional<VendorList>& vendor,
                                      Evidence& evidence, Findings& findings) {
  BuildList list(main, evidence, findings);
  if (vendor) {
    check_vendor_consistency(*vendor, main, findings);
  } else if (main.exists() && !main.pruned()) {
    TRY_STATUS(list.load_graph(Need::required));
  }
  const auto request = walk_request(submission, options, vendor.has_value());
  if (!request) {
    findings.add(FindingCode::SV309, "package " + submission.package + " is not in the main module").file =
        submission.package;
    return std::set<std::string>();
  }
  ImportWalk walk(main, tree, list, evidence, findings, *request);
  TRY_STATUS(walk.run());
  // Verified means that the needed set was computed completely; what kept us from it has to be among the findings.
  if (!walk.complete() && findings.only_notes())
    return self_error("the set of needed modules could not be computed and no finding says why; please report this");
  if (vendor) {
    TRY_STATUS(check_vendored_files(*vendor, submission, main, evidence, findings));
    return walk.standard_imports();
  }
  // The rest of the graph: a build may come to read it, and a wrong go.mod in it is worth knowing in any case.
  if (main.exists()) TRY_STATUS(list.load_graph(Need::optional));
  evidence.note_absent();
  return walk.standard_imports();
}

}  // namespace

std::string ModuleSource::how_to_get(const ModuleVersion&) const {
  return "run again with --fetch, or fill the module cache: go mod download";
}

Result<std::optional<std::string>> ModuleSource::manifest(const ModuleVersion&, const std::string&) {
  return std::optional<std::string>();
}

int Verification::exit_code() const {
  int code = 0, best = static_cast<int>(Finding::Class::note) + 1;
  constexpr Finding::Class kPrecedence[] = {Finding::Class::mismatch,  Finding::Class::signature,
                                            Finding::Class::malformed, Finding::Class::policy,
                                            Finding::Class::limit,     Finding::Class::missing};
  for (const Finding& finding : findings) {
    const auto* place = std::find(std::begin(kPrecedence), std::end(kPrecedence), finding.kind);
    const int rank = static_cast<int>(place - std::begin(kPrecedence));
    if (place == std::end(kPrecedence) || rank >= best) continue;
    best = rank;
    code = finding_class_exit_code(finding.kind);
  }
  // Without a tree and without a reason the needed set was not computed: evidence is missing.
  return code == 0 && !tree ? finding_class_exit_code(Finding::Class::missing) : code;
}

Result<Verification> verify(const Submission& submission, const Options& options, ModuleSource& modules,
                            Narrator& narrator) {
  Verification verification;
  if (submission.kind == Submission::Kind::executable) {  // no sources, nothing to vouch for
    verification.tree.emplace();
    return verification;
  }
  Findings findings;
  const auto tree = submission_tree(submission, submission.module);
  TRY(const MainModule main, MainModule::read(submission, options.toolchain_go_version, findings));
  TRY_STATUS(gate_environment_files(*tree, submission.module, findings));
  TRY(const auto vendor, vendor_in_use(submission, *tree, main, findings));
  Evidence evidence(submission, main, modules, findings, narrator, options.toolchain_go_version);
  std::set<std::string> standard_imports;
  if (main.usable()) {
    TRY(standard_imports, examine(submission, options, *tree, main, vendor, evidence, findings));
  }
  if (findings.only_notes()) {
    VerifiedTree verified;
    if (vendor) {
      verified.modules = evidence.verified();  // compared with vendor/, which is what the build reads
    } else {
      TRY(verified.modules, evidence.keep());
    }
    verified.vendored = vendor.has_value();
    verified.go_version = main.mod().go.text;
    verified.module_path = main.mod().module.text;
    verified.standard_imports = std::move(standard_imports);
    verified.files = evidence.files() + submission.files.size();
    verified.bytes = Bytes{evidence.bytes()} + submission.total_bytes();
    if (verified.modules.empty() && !vendor) findings.add(FindingCode::SV606, "no modules needed");
    verification.tree = std::move(verified);
  }
  verification.findings = std::move(findings).sorted();
  return verification;
}

}  // namespace sandbox_run::sum_verify
