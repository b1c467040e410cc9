// CompilerMessages: what the go command printed, made fit for the submitter: his own paths, no control characters,
// bounded, as text and as diagnostics. The text is hostile: identifiers, file names and //line directives in it are the
// submitter's.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.h"
#include "base/units.h"

namespace sandbox_run::go_build {

struct CompilerMessages {
  std::vector<Diagnostic> diagnostics;  // at most kMaxDiagnostics, in the compiler's order
  std::string output;                   // at most the cap, cut at a line's end where there is one
  bool truncated = false;               // more was printed than is kept
};

inline constexpr std::size_t kMaxDiagnostics = 200;
inline constexpr Bytes kMessagesCap{64 << 10};

// The files that a message may be about.
struct SubmittedFiles {
  std::set<std::string> paths;  // relative to the snapshot
  std::string directory = ".";  // below it: the main module's, to which the go command's names are relative
  bool has(std::string_view name) const;
};

// `raw` as captured; `total` is how much was printed in all. Paths of the build sandbox become the submitter's:
// /src/main.go → main.go, /gomod/github.com/!a/b@v1/f.go → github.com/A/b@v1/f.go, /goroot/src/… → $GOROOT/src/….
// `submitted`, where given: late messages of the compiler name a file by its package's import path (probe/main.go); the
// part that makes it one of these is what stays. A diagnostic has a file and a line only where it is one of these: a
// line directive can name any file of any host, so such a message is the package's, with all of its text.
CompilerMessages read_compiler_messages(std::string_view raw, Bytes total, Bytes cap = kMessagesCap,
                                        const SubmittedFiles* submitted = nullptr);

// One line with the paths of the build sandbox replaced.
std::string submitter_paths(std::string_view line);

}  // namespace sandbox_run::go_build
