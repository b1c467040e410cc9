// Which files of a directory a build selects: file name suffixes and //go:build lines.
// Source: go/build, go/build/constraint, https://pkg.go.dev/cmd/go#hdr-Build_constraints.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sandbox_run::sum_verify {

// maybe: it hangs on something only the toolchain knows (GOEXPERIMENT); such a file is treated as selected.
enum class Truth { no, maybe, yes };

// linux/amd64 with CGO off, as every build of this project is.
struct BuildContext {
  std::set<std::string, std::less<>> tags;  // --tags
  int go_minor = 0;                         // 26 for Go 1.26: go1.1 … go1.26 hold; 0: every release tag may hold
  Truth tag(std::string_view name) const;
};

// What --tags takes, which is what a //go:build line can name: letters, digits, '_' and '.'.
// Fails with: Fault::input on anything else. Tags reach command lines.
Status check_build_tag(std::string_view tag);

// The value of a //go:build expression, without "//go:build"; nullopt where it is malformed.
std::optional<Truth> evaluate_constraint(std::string_view expression, const BuildContext& context);

// "x_windows.go" → no, "x_linux_test.go" → yes.
Truth match_file_name(std::string_view name, const BuildContext& context);

// By the comments before the package clause (or the first code of an assembly file). A malformed constraint is maybe:
// the go command refuses the package, in its own words.
Truth match_header(std::string_view text, const BuildContext& context);

}  // namespace sandbox_run::sum_verify
