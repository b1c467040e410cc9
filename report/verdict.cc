#include "report/verdict.h"

namespace sandbox_run::report {
namespace {

struct Row {
  Verdict verdict;
  std::string_view name;
  int exit_status;
  std::string_view meaning;
};

constexpr Row kRows[] = {
#define X(name, exit_status, meaning) {Verdict::name, #name, exit_status, meaning},
    SANDBOX_RUN_VERDICTS(X)
#undef X
};

const Row& row(Verdict verdict) { return kRows[static_cast<int>(verdict)]; }

}  // namespace

std::string_view verdict_name(Verdict verdict) { return row(verdict).name; }
std::string_view verdict_meaning(Verdict verdict) { return row(verdict).meaning; }
int fixed_exit_status(Verdict verdict) { return row(verdict).exit_status; }

}  // namespace sandbox_run::report
