#include "sum-verify/source_gates.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {
namespace {

constexpr char kNoCgo[] = "programs are built with CGO off; use a pure Go package, or add a file without import \"C\"";

class Gate {
 public:
  Gate(const GatedPackage& package, const SourceTree& tree, Findings& findings)
      : package_(package), tree_(tree), findings_(findings) {}

  Status check(const PackageScan& scan) {
    check_names(scan);
    check_cgo(scan);
    for (const ScannedGoFile& file : scan.go_files) check_go_file(file);
    if (package_.tests) {
      for (const ScannedGoFile& file : scan.test_files) check_go_file(file);
    }
    for (const std::string& name : scan.assembly_files) TRY_STATUS(check_assembly(join_path(package_.directory, name)));
    return {};
  }

 private:
  Finding& add(FindingCode code, const std::string& file, int line, const std::string& message) {
    Finding& finding = findings_.add(code, package_.module, message);
    finding.file = join_path(package_.shown, file);
    finding.line = line;
    return finding;
  }

  void check_names(const PackageScan& scan) {
    for (const std::string& name : scan.object_files) {
      add(FindingCode::SV402, name, 0,
          name + ": a .syso object is machine code that no source shows and the linker trusts")
          .hint = "remove it, or write what it does in Go or Go assembly";
    }
    for (const std::string& name : scan.fortran_files) {
      add(FindingCode::SV403, name, 0, "Fortran source files not allowed when not using cgo or SWIG: " + name).hint =
          kNoCgo;
    }
    for (const std::string& name : scan.cgo_named_files) {
      add(FindingCode::SV405, name, 0, name + ": names that begin with _cgo_ are cgo's own; the compiler trusts them")
          .hint = "rename the file";
    }
  }

  void check_cgo(const PackageScan& scan) {
    const bool none_left = scan.go_files.empty() && !(package_.tests && !scan.test_files.empty());
    for (const ScannedGoFile& file : scan.cgo_files) {
      const auto c = std::find_if(file.source.imports.begin(), file.source.imports.end(),
                                  [](const GoImport& import) { return import.path == "C"; });
      if (none_left) {
        add(FindingCode::SV401, file.name, c->line,
            "package " + package_.import_path + " uses cgo (import \"C\"), and no Go file of it does without")
            .hint = kNoCgo;
      } else if (package_.submitted) {
        add(FindingCode::SV601, file.name, c->line, "left out: it imports \"C\", and CGO is off");
      }
    }
    if (!package_.submitted) return;
    for (const std::string& name : scan.c_files)
      add(FindingCode::SV601, name, 0, "left out: it needs cgo, and CGO is off");
  }

  void check_go_file(const ScannedGoFile& file) {
    bool told_linkname = false;
    for (const GoDirective& directive : file.source.directives) {
      const std::string_view body = std::string_view(directive.text).substr(2);
      if (body.starts_with("go:cgo_")) {
        add(FindingCode::SV404, file.name, directive.line,
            "//" + std::string(body.substr(0, body.find_first_of(" \t"))) +
                " is only allowed in files that cgo generated")
            .hint = "such directives make the linker add libraries and an interpreter; remove it";
      } else if (body.starts_with("line ")) {
        check_line_directive(file, directive, body.substr(5));
      } else if (body.starts_with("go:linkname ") && !told_linkname && package_.submitted) {
        const auto words = fields(body);
        if (words.size() < 3) continue;
        told_linkname = true;
        add(FindingCode::SV602, file.name, directive.line,
            "//go:linkname uses " + std::string(words[2]) + ", a name that its package did not offer");
      }
    }
    if (package_.submitted && file.source.longest_line_bytes > kMaxSubmittedLineBytes) {
      add(FindingCode::SV502, file.name, file.source.longest_line,
          "line of " + std::to_string(file.source.longest_line_bytes) + " bytes; the limit is " +
              std::to_string(kMaxSubmittedLineBytes))
          .hint = "break the line, or embed the data with //go:embed";
    }
  }

  // "//line FILE:LINE[:COLUMN]". A file name of cgo's once made the compiler trust what follows (CVE-2023-39323).
  void check_line_directive(const ScannedGoFile& file, const GoDirective& directive, std::string_view target) {
    std::string name(trim(target));
    std::replace(name.begin(), name.end(), '\\', '/');
    for (std::string_view rest = name; !rest.empty();) {
      const std::size_t slash = rest.find('/');
      if (rest.starts_with("_cgo_")) {
        add(FindingCode::SV406, file.name, directive.line, "//line makes the file look like cgo's own: " + quote(name))
            .hint = "remove the directive";
        return;
      }
      rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    }
  }

  // Follows includes of the module's own files; each file once. A name is relative to the package's directory, which is
  // where the assembler runs, also for an include inside a header.
  // A list, not a recursion: how deep includes nest is the submitter's choice, and our stack is not.
  Status check_assembly(const std::string& first) {
    std::vector<std::string> pending;
    if (included_.insert(first).second) pending.push_back(first);
    while (!pending.empty()) {
      const std::string path = std::move(pending.back());
      pending.pop_back();
      TRY_STATUS(check_includes(path, pending));
      if (included_.size() <= kMostIncluded) continue;
      add(FindingCode::SV503, "", 0,
          "the package's assembly includes more than " + std::to_string(kMostIncluded) + " files")
          .hint = "include only the headers that are needed";
      return {};
    }
    return {};
  }

  Status check_includes(const std::string& path, std::vector<std::string>& pending) {
    TRY(const std::string text, tree_.read(path));
    for (const AssemblyInclude& include : scan_assembly_includes(text)) {
      const bool absolute = include.file.starts_with('/');
      const auto inside = absolute ? std::nullopt : resolve_inside(join_path(package_.directory, include.file));
      if (!inside) {
        Finding& finding =
            add(FindingCode::SV407, "", include.line, "#include " + quote(include.file) + " leaves the module");
        finding.file = join_path(package_.root_shown, path);
        finding.hint = "copy the header beside the assembly file";
      } else if (tree_.has(*inside) && included_.insert(*inside).second) {
        pending.push_back(*inside);
      }
    }
    return {};
  }

  const GatedPackage& package_;
  const SourceTree& tree_;
  Findings& findings_;
  std::set<std::string> included_;
  static constexpr std::size_t kMostIncluded = 2000;
};

// The value of GOFLAGS in a file of NAME=value lines, shell exports included; empty where there is none.
std::string goflags_in(std::string_view text, int& line) {
  for (int number = 1; !text.empty(); ++number) {
    std::string_view entry = trim(take_line(text));
    if (entry.starts_with("export ")) entry = trim(entry.substr(7));
    if (!entry.starts_with("GOFLAGS=")) continue;
    line = number;
    return std::string(entry.substr(8));
  }
  return "";
}

}  // namespace

Status gate_package(const GatedPackage& package, const PackageScan& scan, const SourceTree& tree, Findings& findings) {
  return Gate(package, tree, findings).check(scan);
}

Status gate_environment_files(const SourceTree& main_module, const std::string& shown, Findings& findings) {
  if (main_module.has("go.work")) {
    findings.add(FindingCode::SV603, "go.work is ignored: a submission is built as one module").file =
        join_path(shown, "go.work");
  }
  for (const std::string name : {"go.env", ".env", ".envrc", ".config/go/env"}) {
    if (!main_module.has(name)) continue;
    TRY(const std::string text, main_module.read(name));
    int line = 0;
    const std::string flags = goflags_in(text, line);
    if (flags.empty()) continue;
    constexpr std::array<std::string_view, 3> kRedirects = {"-modfile", "-overlay", "-toolexec"};
    const auto redirects = std::find_if(kRedirects.begin(), kRedirects.end(),
                                        [&](std::string_view flag) { return flags.find(flag) != std::string::npos; });
    Finding& finding = findings.add(
        redirects == kRedirects.end() ? FindingCode::SV603 : FindingCode::SV410,
        redirects == kRedirects.end()
            ? "GOFLAGS of " + name + " is ignored: builds take no settings from the submission"
            : "GOFLAGS of " + name + " has " + std::string(*redirects) + ", which would change what is read or run");
    finding.file = join_path(shown, name);
    finding.line = line;
    if (redirects != kRedirects.end()) finding.hint = "remove the flag; builds take no settings from the submission";
  }
  return {};
}

}  // namespace sandbox_run::sum_verify
