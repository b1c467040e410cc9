// Evidence: go.mod files and zips of modules, each compared with go.sum before anything in it is read.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/narrator.h"
#include "base/result.h"
#include "sum-verify/findings.h"
#include "sum-verify/main_module.h"
#include "sum-verify/module_zip.h"
#include "sum-verify/source_tree.h"
#include "sum-verify/verify.h"

namespace sandbox_run::sum_verify {

// Whether the build needs it. What is optional and absent is a note; what is there and wrong is an error either way.
enum class Need { required, optional };

struct KnownGoMod {
  GoMod mod;
  std::string text;
  std::string h1;  // empty for a directory of the submission
};

struct KnownZip {
  UniqueFd fd;
  ModuleZipContent content;
  std::unique_ptr<SourceTree> tree;
};

// Thread: one. References stay good for the object's life.
class Evidence {
 public:
  Evidence(const ingest::Submission& submission, const MainModule& main, ModuleSource& source, Findings& findings,
           Narrator& narrator, std::string toolchain_go_version);

  // The go.mod that the build would read for `module` of the build list. nullptr: a finding says why not.
  // Fails with: what ModuleSource fails with, where it is required.
  Result<const KnownGoMod*> go_mod(const ModuleVersion& module, Need need);

  // The files of `module`: of its verified zip, or of its replacement directory. `imported` and `importer` are for the
  // message. nullptr: a finding says why not.
  Result<const SourceTree*> tree(const ModuleVersion& module, const std::string& imported, const std::string& importer);

  // The zip by its own path and version, where go.sum has a line for it and it is at hand; nullptr otherwise, with a
  // finding only where it is there and wrong.
  Result<const KnownZip*> zip_if_here(const ModuleVersion& actual);

  // One note about what Need::optional did not find.
  void note_absent();

  // What was verified, by path and version. REQUIRES: the findings are notes only.
  std::vector<VerifiedModule> verified() const;
  // The same, and puts it into the store for a build to use.
  Result<std::vector<VerifiedModule>> keep();

  std::uint64_t files() const { return files_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  Result<std::optional<std::string>> fetch_go_mod(const ModuleVersion& actual, Need need);
  Result<const KnownGoMod*> verify_go_mod(const ModuleVersion& module, const ModuleVersion& actual, Need need);
  Result<const KnownGoMod*> read_directory_go_mod(const ModuleVersion& module, const std::string& directory);
  const KnownGoMod* accept(const ModuleVersion& module, const Provenance& from, KnownGoMod known);
  Result<const KnownZip*> verify_zip(const ModuleVersion& actual, UniqueFd fd);
  bool matches_sum(const ModuleVersion& actual, const std::string& suffix, const std::string& h1, FindingCode code);
  Result<const KnownZip*> refuse_zip(const ModuleVersion& actual, const Error& error, FindingCode code);
  Status name_differing_file(const ModuleVersion& actual, const ModuleZipContent& content);
  const GoSumLine* contradicted_line(const ModuleVersion& actual, const ModuleZipContent& content) const;
  void compare_go_mods(const ModuleVersion& actual, const KnownZip& zip);

  const ingest::Submission& submission_;
  const MainModule& main_;
  ModuleSource& source_;
  Findings& findings_;
  Narrator& narrator_;
  std::string toolchain_;
  std::map<ModuleVersion, std::optional<KnownGoMod>> go_mods_;          // by module of the build list
  std::map<ModuleVersion, std::unique_ptr<KnownZip>> zips_;             // by actual module; null: tried and failed
  std::map<std::string, std::unique_ptr<SourceTree>> directory_trees_;  // by directory of the snapshot
  std::map<ModuleVersion, std::string> kept_go_mods_;                   // actual module → text, verified
  std::set<ModuleVersion> absent_;                                      // optional and not found
  std::uint64_t files_ = 0, bytes_ = 0;
};

}  // namespace sandbox_run::sum_verify
