// Statements of go.mod and go.work files: lines of tokens, singly or in a parenthesised block.
// Source: golang.org/x/mod/modfile/read.go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sum-verify/go_mod.h"

namespace sandbox_run::sum_verify {

struct GoModLine {
  std::vector<std::string> tokens;
  std::string comment;  // the one at its end, with its "//", or empty
  int line = 0;
};

struct GoModStatement {
  bool is_block = false;
  GoModLine head;                // the line itself, or the words before '('
  std::vector<GoModLine> lines;  // of a block
};

// The statements up to the first syntax error, which goes to `problems`.
std::vector<GoModStatement> lex_go_mod(std::string_view text, std::vector<GoModProblem>& problems);

}  // namespace sandbox_run::sum_verify
