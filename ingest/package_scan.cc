#include "ingest/package_scan.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/files.h"
#include "ingest/go_text.h"
#include "ingest/names.h"

namespace sandbox_run::ingest {
namespace {

// What the Go files of one directory say.
struct Package {
  std::set<std::string> names;  // of the files that count
  bool tests = false;           // has _test.go files
  bool excluded = false;        // has files that constraints or their names exclude
};
using Packages = std::map<std::string, Package>;  // by directory, "." is the root

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string shown(const std::string& directory) { return directory == "." ? "." : "./" + directory; }

std::string plain(const std::string& package) { return package.starts_with("./") ? package.substr(2) : package; }

// The front of a file: more than enough for licence and package comment, and for most whole files.
Result<std::string> front(const Submission& submission, const std::string& path) {
  constexpr std::size_t kFront = 256 * 1024;
  TRY(const UniqueFd fd, open_beneath(submission.root.get(), path, O_RDONLY | O_NOFOLLOW, kResolveStrict));
  std::string text(kFront, '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return host_error(errno, "cannot read " + escape(path) + " of the snapshot");
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

Status add(const Submission& submission, const std::string& path, const std::vector<std::string>& tags,
           Package& package) {
  const std::string base = path.substr(path.rfind('/') + 1);
  if (base.ends_with("_test.go")) {
    package.tests = true;
    return {};
  }
  if (!file_name_matches(base)) {
    package.excluded = true;
    return {};
  }
  TRY(const std::string text, front(submission, path));
  const GoHead head = read_go_head(text);
  const bool wanted =
      !head.go_build.empty() ? go_build_matches(head.go_build, tags) : plus_build_matches(head.plus_build, tags);
  if (!wanted || head.package == "documentation")
    package.excluded = true;
  else if (!head.package.empty())
    package.names.insert(head.package);
  return {};
}

Result<Package> package_at(const Submission& submission, const std::string& directory,
                           const std::vector<std::string>& tags) {
  Package package;
  for (const SubmittedFile& file : submission.files)
    if (file.path.ends_with(".go") && directory_of(file.path) == directory)
      TRY_STATUS(add(submission, file.path, tags, package));
  return package;
}

// Directories the go command does not look into for packages of the main module.
class Outside {
 public:
  explicit Outside(const Submission& submission) : module_(submission.module) {
    for (const SubmittedFile& file : submission.files)
      if (file.path.ends_with("/go.mod") || file.path == "go.mod") modules_.insert(directory_of(file.path));
  }
  bool operator()(const std::string& directory) const {
    if (directory == module_) return false;
    if (module_ != "." && !directory.starts_with(module_ + "/")) return true;
    std::string at = directory;
    while (at != module_ && at != ".") {
      const std::string base = at.substr(at.rfind('/') + 1);
      if (base == "vendor" || base == "testdata" || base.front() == '_' || base.front() == '.') return true;
      if (modules_.contains(at)) return true;
      at = directory_of(at);
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
    return input_error(problem + "; no directory of it has a package main, which a program starts from");
  const std::string todo = how_to_name(submission, candidates.front());
  if (candidates.size() == 1)
    return input_error(fmt::format("{}; the program is in {}: {}", problem, listed(candidates), todo));
  return input_error(fmt::format("{}; there are several programs: {}: {}", problem, listed(candidates), todo));
}

Status require_main_files(const Submission& submission) {
  std::string other;
  for (const std::string& path : submission.go_files) {
    if (path.ends_with("_test.go"))
      return input_error(fmt::format("{} is a test file: 'sandbox-run test' runs those", escape(path)));
    TRY(const std::string text, front(submission, path));
    const std::string package = read_go_head(text).package;
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
  Packages packages;
  for (const SubmittedFile& file : submission.files) {
    if (!file.path.ends_with(".go")) continue;
    const std::string directory = directory_of(file.path);
    if (!outside(directory)) TRY_STATUS(add(submission, file.path, tags, packages[directory]));
  }
  std::vector<std::string> found;
  for (const auto& [directory, package] : packages)
    if (package.names.contains("main")) found.push_back(shown(directory));
  std::sort(found.begin(), found.end());
  return found;
}

Status require_main_package(const Submission& submission, const std::vector<std::string>& tags) {
  if (!submission.go_files.empty()) return require_main_files(submission);
  std::string problem;
  if (submission.package.ends_with("/...") || submission.package == "...") {
    problem = fmt::format("{} stands for every package, and a run needs one program", escape(submission.package));
  } else {
    TRY(const Package package, package_at(submission, plain(submission.package), tags));
    if (package.names.contains("main")) return {};
    problem = what_is_there(submission.package == "." ? escape(submission.name) : escape(submission.package), package);
  }
  TRY(const std::vector<std::string> candidates, main_packages(submission, tags));
  return no_program(submission, problem, candidates);
}

}  // namespace sandbox_run::ingest
