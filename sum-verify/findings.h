// Findings: what the verification has to say, gathered from its parts and put in one order.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sum-verify/verified_tree.h"

namespace sandbox_run::sum_verify {

// code, class, what it means. Codes are stable and never reused.
#define SANDBOX_RUN_FINDING_CODES(X)                                               \
  X(SV101, mismatch, "a module zip does not hash to what go.sum says")             \
  X(SV102, mismatch, "a go.mod does not hash to what go.sum says")                 \
  X(SV103, mismatch, "the .mod file and the zip's go.mod differ")                  \
  X(SV104, mismatch, "a vendored file differs from the module's file")             \
  X(SV105, mismatch, "a vendored source file is not in the module")                \
  X(SV106, mismatch, "vendor/modules.txt gives a module another language version") \
  X(SV201, missing, "go.sum has no line for a go.mod that the build reads")        \
  X(SV202, missing, "go.sum has no line for a module that may provide a package")  \
  X(SV203, missing, "a go.mod is not here")                                        \
  X(SV204, missing, "a module zip is not here")                                    \
  X(SV205, missing, "no module of the build list provides a package")              \
  X(SV301, malformed, "go.mod does not parse")                                     \
  X(SV302, malformed, "go.sum does not parse")                                     \
  X(SV303, malformed, "go.sum has conflicting lines")                              \
  X(SV304, malformed, "a module zip breaks the rules of module zips")              \
  X(SV305, malformed, "a module path or version breaks the rules")                 \
  X(SV306, malformed, "a module declares another path than it was required by")    \
  X(SV307, malformed, "vendor/modules.txt and go.mod disagree")                    \
  X(SV308, malformed, "two modules provide the same package")                      \
  X(SV309, malformed, "the asked package has no Go files")                         \
  X(SV310, malformed, "an import path breaks the rules")                           \
  X(SV401, policy, "a needed package cannot be built without cgo")                 \
  X(SV402, policy, "a .syso object would be linked unseen")                        \
  X(SV403, policy, "Fortran sources need cgo")                                     \
  X(SV404, policy, "a //go:cgo_ directive outside cgo's own files")                \
  X(SV405, policy, "a file name that is cgo's own")                                \
  X(SV406, policy, "a //line directive that gives a file a name of cgo's")         \
  X(SV407, policy, "an assembly #include that leaves the module")                  \
  X(SV408, policy, "a newer Go is asked for than the toolchain's")                 \
  X(SV409, policy, "a replacement directory outside the root")                     \
  X(SV410, policy, "GOFLAGS that redirect what is read")                           \
  X(SV501, limit, "a module zip is over a limit")                                  \
  X(SV502, limit, "a source line is too long")                                     \
  X(SV503, limit, "too many packages or modules")                                  \
  X(SV504, limit, "a go.mod or go.sum is too large")                               \
  X(SV601, note, "what CGO off leaves out")                                        \
  X(SV602, note, "a //go:linkname reaches into another package")                   \
  X(SV603, note, "a file that is ignored")                                         \
  X(SV604, note, "vendored code that go.sum cannot vouch for here")                \
  X(SV605, note, "a go.mod of the module graph that the build does not need")      \
  X(SV606, note, "no modules needed")

enum class FindingCode {
#define SANDBOX_RUN_CODE(code, kind, text) code,
  SANDBOX_RUN_FINDING_CODES(SANDBOX_RUN_CODE)
#undef SANDBOX_RUN_CODE
};

const char* finding_code_name(FindingCode code);  // "SV101"
Finding::Class finding_class(FindingCode code);
const char* finding_code_meaning(FindingCode code);
const char* finding_class_name(Finding::Class kind);  // "mismatch"
int finding_class_exit_code(Finding::Class kind);     // 3 for mismatch; 0 for a note

Finding make_finding(FindingCode code, std::string message);
Finding make_finding(FindingCode code, const ModuleVersion& module, std::string message);

class Findings {
 public:
  // The reference to fill the other fields in is good until the next add. Of each class the first 5,000 are kept: the
  // exit code depends on classes alone, and how much there is to say is the submitter's choice.
  Finding& add(Finding finding);
  Finding& add(FindingCode code, std::string message) { return add(make_finding(code, std::move(message))); }
  Finding& add(FindingCode code, const ModuleVersion& module, std::string message) {
    return add(make_finding(code, module, std::move(message)));
  }
  bool only_notes() const;
  // By precedence of the class, then code, module, version, file, line, message; without duplicates; the first 1,000.
  std::vector<Finding> sorted() &&;

 private:
  std::vector<Finding> findings_;
  std::map<Finding::Class, std::size_t> counts_;
  Finding unkept_;
};

}  // namespace sandbox_run::sum_verify
