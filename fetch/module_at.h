// module@version as a SOURCE: found, hashed, compared with its pin and taken apart for ingest.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "fetch/modules.h"
#include "store/store.h"

namespace sandbox_run::fetch {

struct ModuleAt {
  sum_verify::ModuleVersion module;
  std::string directory;                       // absolute: the module's files, read-only
  std::string package;                         // within it: "." or "./cmd/tool"
  std::string h1;                              // of the zip
  bool pinned = false;                         // h1 equalled the pin
  std::optional<store::RunDirectory> scratch;  // unpinned: `directory` is in here and goes with it
};

// `query`: "MODULE@vX.Y.Z" or "MODULE/PACKAGE@vX.Y.Z"; the longest prefix that is a known module with that package is
// the module. `pin`: "h1:…" or empty. Fails with: Fault::input where the version is not canonical (the candidate is
// named), no prefix is a known module, the zip does not hash to the pin, or there is neither pin nor `unpinned` (the
// computed h1 is named).
Result<ModuleAt> module_at(const std::string& query, const std::string& pin, bool unpinned, Modules& modules);

}  // namespace sandbox_run::fetch
