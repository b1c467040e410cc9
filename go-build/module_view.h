// ModuleView: the GOMODCACHE of one build: the modules of its own build list, and nothing else.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "launch/plan.h"
#include "sum-verify/verified_tree.h"

namespace sandbox_run::go_build {

// Writes cache/download below `directory` (ours, for this build alone) and answers the mounts that show it and the
// modules' trees. The go command takes the hashes it finds there for the truth and compares them with go.sum; the trees
// behind them were verified file by file. Source of the layout: cmd/go/internal/modfetch/cache.go.
// Fails with: Fault::host where it cannot be written, Fault::self where a module's name is malformed.
Result<std::vector<launch::BindMount>> lay_out_modules(const sum_verify::VerifiedTree& tree,
                                                       const std::string& directory);

}  // namespace sandbox_run::go_build
