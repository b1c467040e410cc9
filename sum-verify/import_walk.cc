#include "sum-verify/import_walk.h"

#include <algorithm>

#include "base/path.h"
#include "sum-verify/module_path.h"
#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {
namespace {

constexpr std::size_t kMaxPackages = 50'000;

// The standard library's import paths have no dot in their first element; ours is a guess that the caller corrects by
// looking into modules first.
bool may_be_standard(std::string_view path) {
  return path.substr(0, path.find('/')).find('.') == std::string_view::npos;
}

// The directory of package `path` in a module called `module`; nullopt where the module cannot have it.
std::optional<std::string> directory_in(std::string_view path, std::string_view module) {
  if (!is_at_or_below(path, module)) return std::nullopt;
  return path.size() == module.size() ? "." : std::string(path.substr(module.size() + 1));
}

// True where a go.mod on the way makes `directory` another module's. Zips have none: such files are left out of them.
bool in_nested_module(const SourceTree& tree, std::string_view directory) {
  for (std::string_view at = directory; !at.empty() && at != "."; at = directory_part(at)) {
    if (tree.has(join_path(at, "go.mod"))) return true;
  }
  return false;
}

std::string import_path_of(const MainModule& main, const std::string& directory) {
  if (!main.exists()) return directory == "." ? "command-line-arguments" : directory;
  return directory == "." ? main.path() : main.path() + "/" + directory;
}

}  // namespace

ImportWalk::ImportWalk(const MainModule& main, const SourceTree& submission, BuildList& list, Evidence& evidence,
                       Findings& findings, WalkRequest request)
    : main_(main),
      submission_(submission),
      list_(list),
      evidence_(evidence),
      findings_(findings),
      request_(std::move(request)) {}

Status ImportWalk::run() {
  const std::string& directory = request_.package;
  if (!submission_.has_go_files(directory)) {
    Finding& finding =
        findings_.add(FindingCode::SV309, "no Go files in " + (directory == "." ? "the root" : directory));
    finding.file = directory == "." ? "" : main_.file(directory);
    finding.hint = "name the directory of the package to build";
    complete_ = false;
    return {};
  }
  if (in_nested_module(submission_, directory)) {
    Finding& finding =
        findings_.add(FindingCode::SV309, "main module (" + main_.path() + ") does not contain package " +
                                              import_path_of(main_, directory));
    finding.file = main_.file(directory);
    finding.hint = "it belongs to a module of its own: name its directory as the root (--root)";
    complete_ = false;
    return {};
  }
  const std::string path = import_path_of(main_, directory);
  seen_.insert(path);
  queue_.push_back({path, {&submission_, {main_.path(), ""}, directory, main_.directory(), true}, true});
  while (!queue_.empty()) {
    const Package package = std::move(queue_.front());
    queue_.pop_front();
    TRY_STATUS(visit(package));
    if (seen_.size() > kMaxPackages) {
      findings_.add(FindingCode::SV503, "more than " + std::to_string(kMaxPackages) + " packages are imported");
      complete_ = false;
      return {};
    }
  }
  return {};
}

Status ImportWalk::visit(const Package& package) {
  const Place& place = package.place;
  TRY(const PackageScan scan, scan_package(*place.tree, place.directory, request_.context,
                                           package.asked ? request_.go_files : std::vector<std::string>()));
  const bool tests = package.asked && request_.tests;
  const GatedPackage gated{package.import_path, place.module, place.directory, place.shown(), place.root,
                           place.submitted,     tests};
  TRY_STATUS(gate_package(gated, scan, *place.tree, findings_));
  TRY_STATUS(follow(package, scan.go_files));
  return tests ? follow(package, scan.test_files) : Status{};
}

Status ImportWalk::follow(const Package& package, const std::vector<ScannedGoFile>& files) {
  for (const ScannedGoFile& file : files) {
    for (const GoImport& import : file.source.imports) {
      if (import.path == "C" || import.path == "unsafe") continue;
      if (may_be_standard(import.path)) standard_imports_.insert(import.path);  // even if a module has one of that name
      if (!seen_.insert(import.path).second) continue;
      if (seen_.size() > kMaxPackages) return {};  // run() refuses
      TRY_STATUS(resolve(import.path, package, file.name, import.line));
    }
  }
  return {};
}

Status ImportWalk::resolve(const std::string& path, const Package& importer, const std::string& file, int line) {
  if (const Status status = check_import_path(path); !status) {
    Finding& finding = findings_.add(FindingCode::SV310, importer.place.module, status.error().what);
    finding.file = join_path(importer.place.shown(), file);
    finding.line = line;
    finding.hint =
        path.starts_with('.') ? "relative import paths are not supported in module mode" : "correct the import";
    complete_ = false;
    return {};
  }
  bool failed = false;
  TRY(std::vector<Place> places,
      request_.vendored ? vendored_candidates(path) : candidates(path, importer.import_path, failed));
  // Only when the main module's own requirements do not provide it does a build read the whole graph.
  if (places.empty() && !failed && !request_.vendored && !may_be_standard(path) && main_.exists() &&
      !list_.graph_loaded()) {
    TRY_STATUS(list_.load_graph(Need::required));
    TRY(places, candidates(path, importer.import_path, failed));
  }
  if (places.size() > 1) {
    std::string names;
    for (const Place& place : places) names += (names.empty() ? "" : ", ") + place.module.path;
    findings_.add(FindingCode::SV308, "ambiguous import: found package " + path + " in multiple modules: " + names)
        .hint = "two modules claim the package; update or replace one of them";
    complete_ = false;
  }
  if (failed) complete_ = false;
  if (places.empty()) {
    if (!failed) not_found(path, importer, file, line);
    return {};
  }
  for (Place& place : places) {
    if (!place.module.version.empty() && !request_.vendored) TRY_STATUS(note_go_mod(place.module));
    queue_.push_back({path, std::move(place), false});
  }
  return {};
}

// The module that provides a package decides its language version, so its go.mod is read in any case.
Status ImportWalk::note_go_mod(const ModuleVersion& module) {
  TRY(const KnownGoMod* known, evidence_.go_mod(module, Need::required));
  if (known == nullptr) complete_ = false;
  return {};
}

void ImportWalk::add_from_submission(const std::string& path, std::vector<Place>& places) const {
  if (!main_.exists()) return;
  const auto directory = directory_in(path, main_.path());
  if (!directory || !submission_.has_go_files(*directory) || in_nested_module(submission_, *directory)) return;
  places.push_back({&submission_, {main_.path(), ""}, *directory, main_.directory(), true});
}

// Every module of the build list whose path is a prefix of the import path may provide the package, so each is
// verified.
Result<std::vector<ImportWalk::Place>> ImportWalk::candidates(const std::string& path, const std::string& importer,
                                                              bool& failed) {
  std::vector<Place> places;
  add_from_submission(path, places);
  for (std::string_view prefix = path; !prefix.empty(); prefix = directory_part(prefix)) {
    const auto version = list_.selected(std::string(prefix));
    if (!version) continue;
    const ModuleVersion module{std::string(prefix), *version};
    TRY(const SourceTree* tree, evidence_.tree(module, path, importer));
    if (tree == nullptr) {
      failed = true;
      continue;
    }
    const std::string directory = *directory_in(path, prefix);
    const Provenance from = main_.provenance(module);
    if (!tree->has_go_files(directory) || (from.directory && in_nested_module(*tree, directory))) continue;
    const std::string root = from.directory ? *from.directory : from.module.path + "@" + from.module.version;
    places.push_back({tree, module, directory, root, from.directory.has_value()});
  }
  return places;
}

Result<std::vector<ImportWalk::Place>> ImportWalk::vendored_candidates(const std::string& path) {
  std::vector<Place> places;
  add_from_submission(path, places);
  const std::string directory = "vendor/" + path;
  if (submission_.has_go_files(directory)) places.push_back({&submission_, {}, directory, main_.directory(), false});
  return places;
}

void ImportWalk::not_found(const std::string& path, const Package& importer, const std::string& file, int line) {
  if (may_be_standard(path))
    return;  // the compiler knows its standard library, and says so where it has no such package
  if (main_.exists() && is_at_or_below(path, main_.path()))
    return;  // a package that was never written: the compiler's too
  std::string message = "no required module provides package " + path;
  if (request_.vendored) {
    message = "cannot find module providing package " + path + ": import lookup disabled by -mod=vendor";
  } else if (!main_.exists()) {
    message += ": go.mod file not found; see 'go help modules'";
  } else {
    message += "; to add it: go get " + path;
  }
  Finding& finding = findings_.add(FindingCode::SV205, importer.place.module, message);
  finding.file = join_path(importer.place.shown(), file);
  finding.line = line;
  finding.hint = main_.exists() ? "run go mod tidy where the module is developed, and submit go.mod and go.sum"
                                : "submit the directory with its go.mod and go.sum";
  complete_ = false;
}

}  // namespace sandbox_run::sum_verify
