// HookedReplay: a replay with hooks, for a program whose rules leave no question open.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/narrator.h"
#include "base/result.h"
#include "go-build/hooked_build.h"
#include "go-build/replay.h"

namespace sandbox_run::go_build {

struct HookedReplay {
  launch::Facts facts;             // as of replay()
  std::vector<std::string> notes;  // hook_notes
};

// nullopt: the go command has to do it, with a plan of the whole program: as replay(), and where a rule of the user's
// may not be as it should be, for only such a plan has the words for that.
Result<std::optional<HookedReplay>> replay_hooked(ReplayInput replayed, const ReplaySource& source,
                                                  const HookInput& input, Narrator& narrator);

}  // namespace sandbox_run::go_build
