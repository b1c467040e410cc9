// sum-verify: Submission → VerifiedTree, or the findings that say why not. The core of the product: nothing the
// compiler reads has not passed here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/narrator.h"
#include "base/result.h"
#include "ingest/submission.h"
#include "sum-verify/verified_tree.h"

namespace sandbox_run::sum_verify {

// Where the bytes of modules come from; an interface so that store, fetch and tests can each be one.
class ModuleSource {
 public:
  virtual ~ModuleSource() = default;
  // The .mod file's text. nullopt: not here (the message of the finding says how to get it).
  virtual Result<std::optional<std::string>> go_mod(const ModuleVersion& module) = 0;
  // A descriptor of the zip file, positioned anywhere. nullopt: not here.
  virtual Result<std::optional<UniqueFd>> zip(const ModuleVersion& module) = 0;
  // Takes the verified zip apart into the store (or finds it there by its h1) and answers the tree's absolute path.
  // Called only after the zip's h1 equalled go.sum's.
  virtual Result<std::string> extract(const ModuleVersion& module, int zip_fd, const std::string& h1) = 0;
  // What a person can do about a module that is not here, one clause: "run again with --fetch, …".
  virtual std::string how_to_get(const ModuleVersion& module) const;
  // The text that hashes to this h1 (dirhash.h), where one was kept of a good copy: it lets a mismatch name the file.
  virtual Result<std::optional<std::string>> manifest(const ModuleVersion& module, const std::string& h1);
  // The absolute path of a stored go.mod with this h1, written if need be.
  virtual Result<std::string> keep_go_mod(const ModuleVersion& module, const std::string& text,
                                          const std::string& h1) = 0;
};

struct Options {
  std::vector<std::string> tags;     // build tags, in addition to the toolchain's own
  std::string toolchain_go_version;  // "1.26.8": a go or toolchain line above it is refused
  bool tests = false;                // also the packages that _test.go files of the asked package import
};

struct Verification {
  std::optional<VerifiedTree> tree;  // present: verified, the needed set was computed completely
  std::vector<Finding> findings;     // in a deterministic order; notes may stand beside a verified tree
  // 0, or the code of `sandbox-run verify`: the first present of mismatch 3, signature 8, malformed 5, policy 6,
  // limit 7, missing 4.
  int exit_code() const;
};

// Fails with: Fault::host or Fault::self where verifying itself could not be done; what is wrong with the submission is
// a Finding.
Result<Verification> verify(const ingest::Submission& submission, const Options& options, ModuleSource& modules,
                            Narrator& narrator);

}  // namespace sandbox_run::sum_verify
