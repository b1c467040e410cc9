// GoSum: the hashes that a go.sum vouches with. Rules: cmd/go/internal/modfetch/fetch.go.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sum-verify/verified_tree.h"

namespace sandbox_run::sum_verify {

struct GoSumLine {
  std::string hash;  // "h1:…"; other algorithms are kept and vouch for nothing
  int line = 0;      // 1-based
};

struct GoSumProblem {
  int line = 0;
  std::string message;
};

class GoSum {
 public:
  // Lines have three fields; a line without any is skipped. Nothing else is validated, as Go validates nothing else: a
  // comment of three words is a valid, useless line. Problems: lines with another number of fields, in Go's words.
  static GoSum parse(std::string_view text);

  // The lines of one key in file order. `version` ends in "/go.mod" where the hash is a go.mod's.
  const std::vector<GoSumLine>& lines(const std::string& path, const std::string& version) const;

  // Keys with two different h1 hashes. Go takes the first line and would accept or refuse by order.
  std::vector<ModuleVersion> conflicts() const;

  const std::vector<GoSumProblem>& problems() const { return problems_; }
  bool empty() const { return lines_.empty(); }

 private:
  std::map<ModuleVersion, std::vector<GoSumLine>> lines_;
  std::vector<GoSumProblem> problems_;
};

}  // namespace sandbox_run::sum_verify
