// ImportWalk: from the asked package over its imports to every package that a build compiles, in the submission and in
// verified modules. It decides which modules are needed.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "sum-verify/build_list.h"
#include "sum-verify/evidence.h"
#include "sum-verify/package_scan.h"
#include "sum-verify/source_gates.h"
#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {

struct WalkRequest {
  std::string package = ".";          // directory of the asked package, in the main module
  std::vector<std::string> go_files;  // in it, where they were named one by one: these are built, whatever they say
  bool tests = false;                 // its test files count too
  bool vendored = false;              // imports are found in vendor/
  BuildContext context;
};

class ImportWalk {
 public:
  ImportWalk(const MainModule& main, const SourceTree& submission, BuildList& list, Evidence& evidence,
             Findings& findings, WalkRequest request);

  // Walks until nothing new is imported. Fails with: Fault::host.
  Status run();

  // True where every import was found or is the standard library's.
  bool complete() const { return complete_; }

  // As VerifiedTree's.
  const std::set<std::string>& standard_imports() const { return standard_imports_; }

 private:
  struct Place {
    const SourceTree* tree = nullptr;
    ModuleVersion module;   // version empty: the submission's own
    std::string directory;  // in `tree`
    std::string root;       // of `tree` as messages name it
    bool submitted = false;
    std::string shown() const { return join_path(root, directory); }
  };
  struct Package {
    std::string import_path;
    Place place;
    bool asked = false;
  };

  Status visit(const Package& package);
  Status follow(const Package& package, const std::vector<ScannedGoFile>& files);
  Status resolve(const std::string& path, const Package& importer, const std::string& file, int line);
  Result<std::vector<Place>> candidates(const std::string& path, const std::string& importer, bool& failed);
  Result<std::vector<Place>> vendored_candidates(const std::string& path);
  void add_from_submission(const std::string& path, std::vector<Place>& places) const;
  Status note_go_mod(const ModuleVersion& module);
  void not_found(const std::string& path, const Package& importer, const std::string& file, int line);

  const MainModule& main_;
  const SourceTree& submission_;
  BuildList& list_;
  Evidence& evidence_;
  Findings& findings_;
  WalkRequest request_;
  std::deque<Package> queue_;
  std::set<std::string> seen_;
  std::set<std::string> standard_imports_;
  bool complete_ = true;
};

}  // namespace sandbox_run::sum_verify
