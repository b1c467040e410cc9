// Theory of operation. In vendor mode the go command builds the files below vendor/ and compares nothing: modules.txt
// says which module each package belongs to, and go.mod must agree with it, that is all. So there are two checks.
//   consistency   modules.txt against go.mod, both ways, with Go's own words (SV307): requirements marked explicit,
//                 replacements marked the same.
//   content       every file below vendor/ belongs to the module with packages whose path is the longest prefix of its
//                 own (or to none: SV105). The module's verified zip, or its replacement directory, has the file
//                 (SV105) with the same bytes (SV104). Where the zip is not at hand the files are built as they are,
//                 and a note says how many and of what (SV604).
// modules.txt also carries each module's language version, which changes what the compiler accepts and does and which
// no hash covers: it is compared with the module's own go.mod (SV106).
#include "sum-verify/vendor.h"

#include <algorithm>
#include <optional>

#include "base/path.h"
#include "base/text.h"
#include "sum-verify/go_version.h"
#include "sum-verify/module_path.h"
#include "sum-verify/semver.h"
#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {
namespace {

constexpr char kSync[] = "run go mod vendor where the module is developed";

std::string describe(const ModuleVersion& module) {
  return module.version.empty() ? module.path : module.path + "@" + module.version;
}

std::size_t entry_of(VendorList& list, const ModuleVersion& module, int line) {
  const auto [position, fresh] = list.index.try_emplace(module, list.modules.size());
  if (fresh) {
    VendoredModule& entry = list.modules.emplace_back();
    entry.module = module;
    entry.line = line;
  }
  return position->second;
}

// "# path version [=> replacement]" and "# path => replacement". nullopt for lines Go does not understand.
std::optional<std::size_t> add_module_line(VendorList& list, std::string_view text, int line) {
  std::vector<std::string_view> words = fields(text);
  if (words.size() < 3) return std::nullopt;
  ModuleVersion module{std::string(words[1]), ""};
  std::size_t arrow = 2;
  if (parse_semver(words[2])) {
    module.version = words[2];
    arrow = 3;
  } else if (words[2] != "=>") {
    return std::nullopt;
  }
  const std::size_t position = entry_of(list, module, line);
  VendoredModule& entry = list.modules[position];
  if (words.size() >= arrow + 2 && words[arrow] == "=>") {
    if (words.size() == arrow + 2) entry.replacement = {std::string(words[arrow + 1]), ""};
    if (words.size() == arrow + 3 && parse_semver(words[arrow + 2])) {
      entry.replacement = {std::string(words[arrow + 1]), std::string(words[arrow + 2])};
    }
  }
  return position;
}

void add_annotations(VendoredModule& entry, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find(';');
    const std::string_view word = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (word == "explicit") entry.is_explicit = true;
    if (word.starts_with("go ")) entry.go_version = word.substr(3);
  }
}

Finding& inconsistent(const MainModule& main, Findings& findings, const ModuleVersion& module, int line,
                      const std::string& detail) {
  Finding& finding =
      findings.add(FindingCode::SV307, module, "inconsistent vendoring: " + describe(module) + ": " + detail);
  finding.file = main.file("vendor/modules.txt");
  finding.line = line;
  finding.hint = kSync;
  return finding;
}

void check_requirements(const VendorList& list, const MainModule& main, Findings& findings) {
  std::set<ModuleVersion> required;
  for (const GoModRequire& require : main.mod().require) {
    required.insert(require.module);
    const VendoredModule* entry = list.find(require.module);
    if (entry != nullptr && entry->is_explicit) continue;
    inconsistent(main, findings, require.module, entry == nullptr ? 0 : entry->line,
                 "is explicitly required in go.mod, but not marked as explicit in vendor/modules.txt");
  }
  for (const VendoredModule& entry : list.modules) {
    if (!entry.is_explicit || entry.packages.empty() || required.contains(entry.module)) continue;
    inconsistent(main, findings, entry.module, entry.line,
                 "is marked as explicit in vendor/modules.txt, but not explicitly required in go.mod");
  }
}

void check_replacements(const VendorList& list, const MainModule& main, Findings& findings) {
  for (const GoModReplace& replace : main.mod().replace) {
    const VendoredModule* entry = list.find(replace.old);
    if (entry == nullptr || entry->replacement.path.empty()) {
      if (replace.old.path == main.path()) continue;
      inconsistent(main, findings, replace.old, 0,
                   "is replaced in go.mod, but not marked as replaced in vendor/modules.txt");
    } else if (entry->replacement != replace.target) {
      inconsistent(main, findings, replace.old, entry->line,
                   "is replaced by " + describe(replace.target) + " in go.mod, but marked as replaced by " +
                       describe(entry->replacement) + " in vendor/modules.txt");
    }
  }
  for (const VendoredModule& entry : list.modules) {
    if (!entry.replacement.path.empty() && !main.is_replaced(entry.module)) {
      inconsistent(main, findings, entry.module, entry.line,
                   "is marked as replaced in vendor/modules.txt, but not replaced in go.mod");
    }
  }
}

// The vendored files of one module, against its tree.
class ModuleComparison {
 public:
  ModuleComparison(const VendoredModule& entry, std::string prefix, const SourceTree& tree, const KnownZip* zip,
                   Findings& findings)
      : entry_(entry), prefix_(std::move(prefix)), tree_(tree), findings_(findings) {
    if (zip == nullptr) return;
    // In a zip names begin with "path@version/".
    for (const HashedFile& file : zip->content.files) {
      const std::size_t at = file.name.find('@');
      digests_.emplace(file.name.substr(file.name.find('/', at) + 1), file.sha256);
    }
  }

  Status compare(const ingest::SubmittedFile& file) {
    const std::string name = file.path.substr(prefix_.size());
    if (!tree_.has(name)) {
      Finding& finding = add(FindingCode::SV105, file.path, file.path + " is not in " + describe(entry_.module));
      finding.hint = kSync;
      return {};
    }
    Sha256Digest want;
    if (const auto found = digests_.find(name); found != digests_.end()) {
      want = found->second;
    } else {
      TRY(const std::string content, tree_.read(name));
      want = sha256(content);
    }
    if (want == file.sha256) return {};
    Finding& finding =
        add(FindingCode::SV104, file.path, file.path + " differs from the file of " + describe(entry_.module));
    finding.want = "sha256:" + want.hex();
    finding.got = "sha256:" + file.sha256.hex();
    finding.hint = "go build would compile it unseen; run go mod vendor, or find out who changed it";
    return {};
  }

 private:
  Finding& add(FindingCode code, const std::string& path, const std::string& message) {
    Finding& finding = findings_.add(code, entry_.module, message);
    finding.file = path;
    finding.source = "go.sum";
    return finding;
  }

  const VendoredModule& entry_;
  std::string prefix_;  // of its files in the snapshot
  const SourceTree& tree_;
  Findings& findings_;
  std::map<std::string, Sha256Digest> digests_;
};

// Nothing covers the language versions in modules.txt, and they change what the compiler accepts and does.
void check_language_version(const VendoredModule& entry, const std::string& go_mod, const MainModule& main,
                            Findings& findings) {
  if (compare_go_versions(main.go_version(), "1.17") < 0) return;  // not recorded before
  const std::string own = parse_go_mod(go_mod, GoModRole::dependency).mod.go.text;
  if (own == entry.go_version) return;
  Finding& finding = findings.add(FindingCode::SV106, entry.module,
                                  "vendor/modules.txt gives " + describe(entry.module) + " the language version " +
                                      quote(entry.go_version) + ", its go.mod says " + quote(own));
  finding.file = main.file("vendor/modules.txt");
  finding.line = entry.line;
  finding.want = own;
  finding.got = entry.go_version;
  finding.hint = kSync;
}

class VendorComparison {
 public:
  VendorComparison(const VendorList& list, const ingest::Submission& submission, const MainModule& main,
                   Evidence& evidence, Findings& findings)
      : list_(list), submission_(submission), main_(main), evidence_(evidence), findings_(findings) {
    for (const VendoredModule& entry : list.modules) {
      if (!entry.packages.empty()) owners_.emplace(entry.module.path, &entry);
    }
  }

  Status run() {
    std::map<const VendoredModule*, std::vector<const ingest::SubmittedFile*>> files;
    for (const ingest::SubmittedFile& file : submission_.files) {
      const std::string vendor = main_.file("vendor/");
      if (!file.path.starts_with(vendor) || file.path == vendor + "modules.txt") continue;
      const VendoredModule* owner = owner_of(file.path.substr(vendor.size()));
      if (owner != nullptr) {
        files[owner].push_back(&file);
      } else {
        Finding& finding = findings_.add(FindingCode::SV105, file.path + " belongs to no module of vendor/modules.txt");
        finding.file = file.path;
        finding.hint = kSync;
      }
    }
    for (const VendoredModule& entry : list_.modules) {
      if (const auto found = files.find(&entry); found != files.end()) TRY_STATUS(compare(entry, found->second));
    }
    return {};
  }

 private:
  // The module with packages whose path is the longest prefix of the file's.
  const VendoredModule* owner_of(std::string_view path) const {
    for (path = directory_part(path); !path.empty(); path = directory_part(path)) {
      if (const auto found = owners_.find(path); found != owners_.end()) return found->second;
    }
    return nullptr;
  }

  Status compare(const VendoredModule& entry, const std::vector<const ingest::SubmittedFile*>& files) {
    const Provenance from = main_.provenance(entry.module);
    const SourceTree* tree = nullptr;
    const KnownZip* zip = nullptr;
    if (from.directory) {
      TRY(tree, evidence_.tree(entry.module, entry.module.path, "vendor/modules.txt"));
    } else {
      const bool had_only_notes = findings_.only_notes();
      TRY(zip, evidence_.zip_if_here(from.module));
      tree = zip == nullptr ? nullptr : zip->tree.get();
      if (tree == nullptr && findings_.only_notes() == had_only_notes) note_unvouched(entry, from.module, files.size());
    }
    if (tree == nullptr) return {};
    if (tree->has("go.mod")) {
      TRY(const std::string go_mod, tree->read("go.mod"));
      check_language_version(entry, go_mod, main_, findings_);
    } else {
      check_language_version(entry, "", main_, findings_);
    }
    ModuleComparison comparison(entry, main_.file("vendor/" + entry.module.path + "/"), *tree, zip, findings_);
    for (const ingest::SubmittedFile* file : files) TRY_STATUS(comparison.compare(*file));
    return {};
  }

  void note_unvouched(const VendoredModule& entry, const ModuleVersion& actual, std::size_t files) {
    const bool has_line = !main_.sum().lines(actual.path, actual.version).empty();
    Finding& finding = findings_.add(
        FindingCode::SV604, actual,
        "vendor/" + entry.module.path + ": " + std::to_string(files) + " files are built as they are: " +
            (has_line
                 ? "go.sum vouches for " + describe(actual) + " as a whole, and its zip is not here to compare with"
                 : "go.sum has no line for " + describe(actual)));
    finding.file = main_.file("vendor/modules.txt");
    finding.line = entry.line;
    finding.hint = has_line ? "run with --fetch to compare every file" : "add the line: go mod tidy";
  }

  const VendorList& list_;
  std::map<std::string, const VendoredModule*, std::less<>> owners_;  // by path; of several versions the first
  const ingest::Submission& submission_;
  const MainModule& main_;
  Evidence& evidence_;
  Findings& findings_;
};

}  // namespace

const VendoredModule* VendorList::find(const ModuleVersion& module) const {
  const auto found = index.find(module);
  return found == index.end() ? nullptr : &modules[found->second];
}

VendorList parse_vendor_list(std::string_view text) {
  VendorList list;
  list.workspace = text.starts_with("## workspace");
  std::optional<std::size_t> current;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    if (line.starts_with("# ")) {
      // A short line leaves the module before it in force, as in Go.
      if (fields(line).size() >= 3) current = add_module_line(list, line, number);
    } else if (!current) {
      continue;
    } else if (line.starts_with("## ")) {
      add_annotations(list.modules[*current], line.substr(3));
    } else if (const auto words = fields(line); words.size() == 1 && check_import_path(words[0])) {
      list.modules[*current].packages.emplace_back(words[0]);
    }
  }
  return list;
}

void check_vendor_consistency(const VendorList& list, const MainModule& main, Findings& findings) {
  check_requirements(list, main, findings);
  check_replacements(list, main, findings);
}

Status check_vendored_files(const VendorList& list, const ingest::Submission& submission, const MainModule& main,
                            Evidence& evidence, Findings& findings) {
  return VendorComparison(list, submission, main, evidence, findings).run();
}

}  // namespace sandbox_run::sum_verify
