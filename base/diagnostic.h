// Diagnostic: one message about the submitter's files, as the report's `diagnostics` carries it.
#pragma once

#include <string>

namespace sandbox_run {

struct Diagnostic {
  enum class Severity { error, warning, note };
  Severity severity = Severity::error;
  std::string code;     // stable identifier: SVnnn (sum-verify), GBnnn (go-build); never reused
  std::string file;     // path as the submitter knows it, relative to the module's root; empty if about no file
  int line = 0;         // 1-based; 0: unknown
  int column = 0;       // 1-based, in bytes; 0: unknown
  std::string message;  // one line: what is wrong and what to do
};

}  // namespace sandbox_run
