// Go's own version numbers: "1.21", "1.21rc2", "1.26.8". Source: cmd/go/internal/gover.
#pragma once

#include <string_view>

namespace sandbox_run::sum_verify {

// "1.21", "1.21.0", "1.21rc1": what a go line may say.
bool is_go_version(std::string_view version);

// <0, 0, >0. A language version precedes its release candidates and releases: 1.21 < 1.21rc1 < 1.21.0. An invalid
// version precedes every valid one.
int compare_go_versions(std::string_view a, std::string_view b);

// The minor number: 26 of "1.26.8"; 0 where it is no Go 1 version.
int go_minor(std::string_view version);

}  // namespace sandbox_run::sum_verify
