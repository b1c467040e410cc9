// MainModule: the submission's own go.mod and go.sum, with the decisions that only a main module takes: replacements
// and exclusions.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "ingest/submission.h"
#include "sum-verify/findings.h"
#include "sum-verify/go_mod.h"
#include "sum-verify/go_sum.h"

namespace sandbox_run::sum_verify {

// Where a module of the build list really comes from.
struct Provenance {
  ModuleVersion module;                  // of the zip and the .mod; the replacement's, where one is
  std::optional<std::string> directory;  // inside the snapshot, relative to its root: then `module` is as required
};

class MainModule {
 public:
  // Reads go.mod and go.sum at the snapshot's root; without a go.mod the module has no path and requires nothing.
  // What is wrong with them goes to `findings`. Fails with: Fault::host on I/O.
  static Result<MainModule> read(const ingest::Submission& submission, const std::string& toolchain_go_version,
                                 Findings& findings);

  bool exists() const { return exists_; }
  // Where it is in the snapshot: "." unless the root is higher up; and a file of it as messages name it.
  const std::string& directory() const { return directory_; }
  std::string file(const std::string& name) const;
  const std::string& path() const { return mod_.module.text; }
  const GoMod& mod() const { return mod_; }
  const GoSum& sum() const { return sum_; }
  // The go line; "1.16" where there is none, as cmd/go has it.
  std::string go_version() const;
  // go >= 1.17: the graph is pruned and loaded lazily.
  bool pruned() const;
  // go.mod was read without errors; without, nothing further can be computed.
  bool usable() const { return usable_; }

  Provenance provenance(const ModuleVersion& module) const;
  bool is_replaced(const ModuleVersion& module) const { return replacement(module) != nullptr; }
  const GoModReplace* replacement(const ModuleVersion& module) const;
  bool is_excluded(const ModuleVersion& module) const { return excluded_.contains(module); }

 private:
  void check(const ingest::Submission& submission, const std::string& toolchain_go_version, Findings& findings);
  void check_requirements(Findings& findings) const;
  void check_replacements(const ingest::Submission& submission, Findings& findings);
  Finding& place(Finding& finding, int line, int column = 0) const;
  void check_sum(Findings& findings) const;

  std::string directory_ = ".";
  GoMod mod_;
  GoSum sum_;
  bool exists_ = false;
  bool usable_ = true;
  std::map<ModuleVersion, GoModReplace> replacements_;
  std::map<ModuleVersion, std::string> directories_;  // of replacements, by the replaced; inside the snapshot
  std::set<ModuleVersion> excluded_;
};

// Messages and the finding for a go or toolchain line that the toolchain cannot satisfy; nullopt where it can.
// `what` is "go.mod" or "path@version".
std::optional<std::string> too_new(const std::string& what, const std::string& wanted, const std::string& toolchain);

}  // namespace sandbox_run::sum_verify
