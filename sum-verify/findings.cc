#include "sum-verify/findings.h"

#include <algorithm>
#include <tuple>

namespace sandbox_run::sum_verify {
namespace {

auto order_of(const Finding& f) {
  return std::tie(f.code, f.module, f.version, f.file, f.line, f.column, f.message, f.source, f.got);
}

// Position in the precedence of exit codes: 3, 8, 5, 6, 7, 4, then notes.
int rank(Finding::Class kind) {
  switch (kind) {
    case Finding::Class::mismatch:
      return 0;
    case Finding::Class::signature:
      return 1;
    case Finding::Class::malformed:
      return 2;
    case Finding::Class::policy:
      return 3;
    case Finding::Class::limit:
      return 4;
    case Finding::Class::missing:
      return 5;
    case Finding::Class::note:
      return 6;
  }
  return 6;
}

}  // namespace

const char* finding_code_name(FindingCode code) {
  switch (code) {
#define SANDBOX_RUN_CODE(name, kind, text) \
  case FindingCode::name:                  \
    return #name;
    SANDBOX_RUN_FINDING_CODES(SANDBOX_RUN_CODE)
#undef SANDBOX_RUN_CODE
  }
  return "";
}

Finding::Class finding_class(FindingCode code) {
  switch (code) {
#define SANDBOX_RUN_CODE(name, kind, text) \
  case FindingCode::name:                  \
    return Finding::Class::kind;
    SANDBOX_RUN_FINDING_CODES(SANDBOX_RUN_CODE)
#undef SANDBOX_RUN_CODE
  }
  return Finding::Class::note;
}

const char* finding_code_meaning(FindingCode code) {
  switch (code) {
#define SANDBOX_RUN_CODE(name, kind, text) \
  case FindingCode::name:                  \
    return text;
    SANDBOX_RUN_FINDING_CODES(SANDBOX_RUN_CODE)
#undef SANDBOX_RUN_CODE
  }
  return "";
}

const char* finding_class_name(Finding::Class kind) {
  switch (kind) {
    case Finding::Class::mismatch:
      return "mismatch";
    case Finding::Class::missing:
      return "missing";
    case Finding::Class::malformed:
      return "malformed";
    case Finding::Class::policy:
      return "policy";
    case Finding::Class::limit:
      return "limit";
    case Finding::Class::signature:
      return "signature";
    case Finding::Class::note:
      return "note";
  }
  return "";
}

int finding_class_exit_code(Finding::Class kind) {
  switch (kind) {
    case Finding::Class::mismatch:
      return 3;
    case Finding::Class::missing:
      return 4;
    case Finding::Class::malformed:
      return 5;
    case Finding::Class::policy:
      return 6;
    case Finding::Class::limit:
      return 7;
    case Finding::Class::signature:
      return 8;
    case Finding::Class::note:
      return 0;
  }
  return 0;
}

Finding make_finding(FindingCode code, std::string message) {
  Finding finding;
  finding.kind = finding_class(code);
  finding.code = finding_code_name(code);
  finding.message = std::move(message);
  return finding;
}

Finding make_finding(FindingCode code, const ModuleVersion& module, std::string message) {
  Finding finding = make_finding(code, std::move(message));
  finding.module = module.path;
  finding.version = module.version;
  return finding;
}

Finding& Findings::add(Finding finding) {
  constexpr std::size_t kMostOfAClass = 5000;
  if (++counts_[finding.kind] > kMostOfAClass) return unkept_ = std::move(finding);
  return findings_.emplace_back(std::move(finding));
}

bool Findings::only_notes() const {
  return std::all_of(findings_.begin(), findings_.end(),
                     [](const Finding& finding) { return finding.kind == Finding::Class::note; });
}

namespace {
constexpr std::size_t kMostFindings = 1000;  // what a submission makes us say has an end
}  // namespace

std::vector<Finding> Findings::sorted() && {
  std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
    if (rank(a.kind) != rank(b.kind)) return rank(a.kind) < rank(b.kind);
    return order_of(a) < order_of(b);
  });
  const auto same = [](const Finding& a, const Finding& b) { return a.kind == b.kind && order_of(a) == order_of(b); };
  findings_.erase(std::unique(findings_.begin(), findings_.end(), same), findings_.end());
  if (findings_.size() > kMostFindings) {
    // The last one kept says how many there are; the worst stand first.
    Finding& last = findings_[kMostFindings - 1];
    last.hint = std::to_string(findings_.size() - kMostFindings) + " more findings are not shown";
    findings_.resize(kMostFindings);
  }
  return std::move(findings_);
}

}  // namespace sandbox_run::sum_verify
