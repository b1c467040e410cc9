#include "sum-verify/main_package.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/path.h"
#include "ingest/names.h"
#include "sum-verify/package_scan.h"
#include "sum-verify/source_tree.h"

namespace sandbox_run::sum_verify {
namespace {

// What the Go files of one directory say.
struct Package {
  std::set<std::string> names;  // of the files that count
  bool tests = false;           // has _test.go files
  bool excluded = false;        // has files, and constraints or their names exclude all of them
};

using ingest::escape;
using ingest::Submission;
using ingest::SubmittedFile;

std::string shown(const std::string& directory) { return directory == "." ? "." : "./" + directory; }

std::string plain(const std::string& package) { return package.starts_with("./") ? package.substr(2) : package; }

BuildContext context_of(const std::vector<std::string>& tags) {
  BuildContext context;
  context.tags.insert(tags.begin(), tags.end());
  return context;
}

Result<Package> package_at(const SourceTree& tree, const std::string& directory, const BuildContext& context) {
  TRY(const PackageScan scan, scan_package(tree, directory, context, {}));
  Package package;
  for (const auto* files : {&scan.go_files, &scan.cgo_files})
    for (const ScannedGoFile& file : *files)
      if (!file.source.package.empty()) package.names.insert(file.source.package);
  for (const std::string& name : tree.list(directory)) {
    if (!name.ends_with(".go")) continue;
    (name.ends_with("_test.go") ? package.tests : package.excluded) = true;
  }
  package.excluded &= scan.go_files.empty() && scan.cgo_files.empty();
  return package;
}

// Directories the go command does not look into for packages of the main module.
class Outside {
 public:
  explicit Outside(const Submission& submission) : module_(submission.module) {
    for (const SubmittedFile& file : submission.files)
      if (file.path.ends_with("/go.mod") || file.path == "go.mod") modules_.insert(parent_of(file.path));
  }
  bool operator()(const std::string& directory) const {
    if (directory == module_) return false;
    if (module_ != "." && !directory.starts_with(module_ + "/")) return true;
    std::string at = directory;
    while (at != module_ && at != ".") {
      const std::string base = std::string(base_name(at));
      if (base == "vendor" || base == "testdata" || base.front() == '_' || base.front() == '.') return true;
      if (modules_.contains(at)) return true;
      at = parent_of(at);
    }
    return false;
  }

 private:
  std::string module_;
  std::set<std::string> modules_;
};

std::string listed(const std::vector<std::string>& packages) {
  constexpr std::size_t kMost = 12;
  std::string text;
  for (std::size_t i = 0; i < packages.size() && i < kMost; ++i) text += (i ? ", " : "") + escape(packages[i]);
  if (packages.size() > kMost) text += fmt::format(" and {} more", packages.size() - kMost);
  return text;
}

std::string what_is_there(const std::string& where, const Package& package) {
  if (!package.names.empty()) {
    const std::string& name = *package.names.begin();
    return fmt::format("{} is package {}, not a program (package main)", where, escape(name));
  }
  if (package.excluded) return fmt::format("build constraints exclude all Go files in {}", where);
  if (package.tests) return fmt::format("{} has only test files", where);
  return fmt::format("no Go files in {}", where);
}

// How the person who named the submission names a directory of it.
std::string how_to_name(const Submission& submission, const std::string& candidate) {
  switch (submission.kind) {
    case Submission::Kind::archive:
    case Submission::Kind::text_archive:
      return fmt::format("name it as {}/{}", escape(submission.name), escape(plain(candidate)));
    case Submission::Kind::standard_input:
      return "save the archive to a file and name that directory of it (app.zip/cmd/tool)";
    case Submission::Kind::directory:
    case Submission::Kind::files:
    case Submission::Kind::module_version:
    case Submission::Kind::executable:
      break;
  }
  return "name that directory";
}

Error no_program(const Submission& submission, const std::string& problem, const std::vector<std::string>& candidates) {
  if (candidates.empty())
    return input_error(problem +
                       "; no directory of it has a package main, which a program starts from (a directory with a "
                       "go.mod of its own is another module: name that one)");
  const std::string todo = how_to_name(submission, candidates.front());
  if (candidates.size() == 1)
    return input_error(fmt::format("{}; the program is in {}: {}", problem, listed(candidates), todo));
  return input_error(fmt::format("{}; there are several programs: {}: {}", problem, listed(candidates), todo));
}

Status require_main_files(const Submission& submission) {
  std::string other;
  const std::unique_ptr<SourceTree> tree = submission_tree(submission, ".");
  for (const std::string& path : submission.go_files) {
    if (path.ends_with("_test.go"))
      return input_error(fmt::format("{} is a test file: 'sandbox-run test' runs those", escape(path)));
    TRY(const std::string text, tree->read(path));
    const std::string package = scan_go_source(text).package;
    // Constraints do not count for files that are named: "go run gen.go" runs one tagged ignore.
    if (package == "main") return {};
    if (other.empty())
      other = package.empty()
                  ? fmt::format("{} does not start with a package clause", escape(path))
                  : fmt::format("{} is package {}, not a program (package main)", escape(path), escape(package));
  }
  return input_error(other + "; a program starts from package main and its func main");
}

}  // namespace

Result<std::vector<std::string>> main_packages(const Submission& submission, const std::vector<std::string>& tags) {
  const Outside outside(submission);
  const std::unique_ptr<SourceTree> tree = submission_tree(submission, ".");
  const BuildContext context = context_of(tags);
  std::vector<std::string> found;
  for (const std::string& directory : tree->directories()) {
    if (outside(directory) || !tree->has_go_files(directory)) continue;
    TRY(const Package package, package_at(*tree, directory, context));
    if (package.names.contains("main")) found.push_back(shown(directory));
  }
  std::sort(found.begin(), found.end());
  return found;
}

Status require_main_package(const Submission& submission, const std::vector<std::string>& tags) {
  if (!submission.go_files.empty()) return require_main_files(submission);
  std::string problem;
  if (submission.package.ends_with("/...") || submission.package == "...") {
    problem = fmt::format("{} stands for every package, and a run needs one program", escape(submission.package));
  } else {
    const std::unique_ptr<SourceTree> tree = submission_tree(submission, ".");
    TRY(const Package package, package_at(*tree, plain(submission.package), context_of(tags)));
    if (package.names.contains("main")) return {};
    problem = what_is_there(submission.package == "." ? escape(submission.name) : escape(submission.package), package);
  }
  TRY(const std::vector<std::string> candidates, main_packages(submission, tags));
  return no_program(submission, problem, candidates);
}

}  // namespace sandbox_run::sum_verify
