// VerifiedTree: a submission whose every needed module is vouched for, and where the build finds those modules.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/sha256.h"
#include "base/units.h"

namespace sandbox_run::sum_verify {

struct ModuleVersion {
  std::string path;
  std::string version;
  auto operator<=>(const ModuleVersion&) const = default;
};
inline std::string name_of(const ModuleVersion& module) { return module.path + "@" + module.version; }

// One module of the build list, extracted by our own code into the store.
struct VerifiedModule {
  ModuleVersion module;     // what the build sees (the replacement's, where one is)
  std::string tree_path;    // absolute: the extracted files, read-only; empty where only its go.mod is needed, and
                            // in vendor mode, where the build reads vendor/
  std::string go_mod_path;  // absolute: the go.mod text whose hash go.sum holds
  std::string zip_h1;       // "h1:…" of the zip; empty where only its go.mod is needed
  std::string go_mod_h1;    // "h1:…"; empty where the zip has no go.mod of its own and none was needed
};

struct VerifiedTree {
  std::vector<VerifiedModule> modules;  // sorted by path, then version
  bool vendored = false;                // built from vendor/: `notes` says what go.sum cannot vouch for
  std::string go_version;               // of the go line: "1.26"; empty without a go.mod
  std::string module_path;              // of the module line; empty without a go.mod
  // Import paths that may be the standard library's, of all packages that a build compiles: at least those that are.
  std::set<std::string> standard_imports;
  std::uint64_t files = 0;  // hashed while verifying, modules' zips included
  Bytes bytes;
  Sha256Digest digest() const;  // over the modules and their hashes; with the submission's tree digest: a cache key
};

// One thing that is wrong, missing or worth knowing. Exit codes: reference in verify.h.
struct Finding {
  enum class Class { mismatch, missing, malformed, policy, limit, signature, note };
  Class kind = Class::note;
  std::string code;    // "SV101": stable
  std::string module;  // path, or empty
  std::string version;
  std::string file;  // the submitter's path of the file it is about, or empty
  int line = 0;      // 1-based; 0: unknown
  int column = 0;
  std::string message;  // Go's own words where Go has some
  std::string want;     // a hash or value, or empty
  std::string got;
  std::string source;  // what `want` rests on: "go.sum:12"
  std::string hint;    // what to do
};

}  // namespace sandbox_run::sum_verify
