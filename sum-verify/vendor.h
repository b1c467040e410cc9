// Vendor: vendor/modules.txt against go.mod, and vendored files against the modules they claim to come from. The go
// command checks the first and never the second: it ignores go.sum in vendor mode (golang/go#27348).
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ingest/submission.h"
#include "sum-verify/evidence.h"
#include "sum-verify/findings.h"
#include "sum-verify/main_module.h"

namespace sandbox_run::sum_verify {

struct VendoredModule {
  ModuleVersion module;       // version empty: a replacement of every version
  ModuleVersion replacement;  // path empty: none; version empty: a directory
  bool is_explicit = false;
  std::string go_version;  // "1.21" of "## explicit; go 1.21", or empty
  std::vector<std::string> packages;
  int line = 0;
};

struct VendorList {
  std::vector<VendoredModule> modules;         // in file order, one for each path and version
  bool workspace = false;                      // made by go work vendor: a single module does not use it
  std::map<ModuleVersion, std::size_t> index;  // into modules
  const VendoredModule* find(const ModuleVersion& module) const;
};

// Lines that Go does not understand are skipped, as Go skips them. Source: cmd/go/internal/modload/vendor.go.
VendorList parse_vendor_list(std::string_view text);

// Go's own consistency check of modules.txt and go.mod, as it is for go >= 1.14: below, no build uses vendor/ by
// itself.
void check_vendor_consistency(const VendorList& list, const MainModule& main, Findings& findings);

// Compares every file below vendor/ with its module where that is at hand; what cannot be compared is a note.
// Fails with: Fault::host.
Status check_vendored_files(const VendorList& list, const ingest::Submission& submission, const MainModule& main,
                            Evidence& evidence, Findings& findings);

}  // namespace sandbox_run::sum_verify
