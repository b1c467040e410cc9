// BuildList: which version of each module a build uses (minimal version selection with graph pruning).
// Rules: https://go.dev/ref/mod#minimal-version-selection, cmd/go/internal/modload/buildlist.go.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "sum-verify/evidence.h"
#include "sum-verify/main_module.h"

namespace sandbox_run::sum_verify {

class BuildList {
 public:
  // Starts with the requirements of the main module alone, which is all that a build reads where every import is found
  // in one of them (go >= 1.17).
  BuildList(const MainModule& main, Evidence& evidence, Findings& findings);

  // Reads the module graph: every go.mod that pruning leaves in. Once; later calls answer at once.
  // Need::optional: what is absent is a note, because no import depends on it.
  Status load_graph(Need need);
  bool graph_loaded() const { return loaded_; }

  // The selected version; nullopt where the module is not in the list, and for the main module itself.
  std::optional<std::string> selected(const std::string& path) const;
  std::vector<ModuleVersion> all() const;  // sorted, without the main module

 private:
  struct Visit {
    ModuleVersion module;
    bool unpruned;
  };
  void require(const ModuleVersion& module);

  const MainModule& main_;
  Evidence& evidence_;
  Findings& findings_;
  std::map<std::string, std::string> selected_;
  bool loaded_ = false;
};

}  // namespace sandbox_run::sum_verify
