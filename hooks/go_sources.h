// The Go sources of the rewriter and of the hook runtime, as they were when the supervisor was built: part of it, so
// that it needs no file beside it and nobody can exchange them.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace sandbox_run::hooks {

// Path below hooks/ ("rewriter/main.go") and content, sorted by path; tests are not among them.
const std::vector<std::pair<std::string_view, std::string_view>>& go_sources();

}  // namespace sandbox_run::hooks
