// Source gates: what selected sources may not contain, because it would reach past the Go compiler's own rules or past
// the tree that was verified. They explain early and with file and line; the walls and the ELF gate hold without them.
#pragma once

#include <string>

#include "base/result.h"
#include "sum-verify/findings.h"
#include "sum-verify/package_scan.h"
#include "sum-verify/source_tree.h"

namespace sandbox_run::sum_verify {

constexpr std::size_t kMaxSubmittedLineBytes = 1 << 20;

struct GatedPackage {
  std::string import_path;
  ModuleVersion module;    // version empty: the submission's own
  std::string directory;   // in `tree`
  std::string shown;       // the directory as messages name it: the submitter's path, or "path@version/dir"
  std::string root_shown;  // the root of `tree`, named the same way
  bool submitted = false;
  bool tests = false;  // its test files are built too
};

// Fails with: what reading assembly and its headers fails with.
Status gate_package(const GatedPackage& package, const PackageScan& scan, const SourceTree& tree, Findings& findings);

// Files that tell a go command what to do and that our builds ignore: go.work, env files with GOFLAGS. `shown` is the
// directory of the main module as messages name it.
Status gate_environment_files(const SourceTree& main_module, const std::string& shown, Findings& findings);

}  // namespace sandbox_run::sum_verify
