// HookedCompile: a build with hooks whose rules are held against each package as it is compiled, instead of a plan of
// the whole program made first: for a program whose rules leave no question open.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/narrator.h"
#include "base/result.h"
#include "go-build/hooked_build.h"
#include "go-build/replay.h"

namespace sandbox_run::go_build {

struct HookedCompile {
  launch::Facts facts;             // of the tool that ended last
  std::vector<std::string> notes;  // hook_notes
};

// In both, nullopt: it takes a plan of the whole program, for only that has the words where a rule of the user's may
// not be as it should be. What was built is to be thrown away then.

// A program of one package: as replay(), which can say nullopt too.
Result<std::optional<HookedCompile>> replay_hooked(ReplayInput replayed, const ReplaySource& source,
                                                   const HookInput& input, Narrator& narrator);

// Any other, by the go command. `paths` and `target`: of the same build without hooks.
// `standard_imports`: as a VerifiedTree's.
Result<std::optional<HookedCompile>> compile_hooked(const HookInput& input, const StdCache& std_library,
                                                    BuildPaths paths, BuildTarget target, const Limits& limits,
                                                    const std::set<std::string>& standard_imports, Narrator& narrator);

}  // namespace sandbox_run::go_build
