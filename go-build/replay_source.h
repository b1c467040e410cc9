// ReplaySource: is this a program whose compile and link commands we know without asking the go command? Only what can
// be decided for certain; every doubt is a no, and a no costs nothing but time.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "go-build/build_plan.h"
#include "ingest/submission.h"

namespace sandbox_run::go_build {

struct ReplaySource {
  std::string module;              // of go.mod; empty without one
  std::string go_line;             // "1.25" of go.mod; empty without one
  std::string package_path;        // "example.org/app/cmd/x", or "command-line-arguments"
  std::string directory;           // of the package, relative to the snapshot: "" or "cmd/x"
  std::vector<std::string> files;  // names in it, sorted: what the compiler gets
  std::set<std::string> imports;   // of all files: what the compiler can see, so that one we overlooked is its error
};

// A file's content by its path in the snapshot; nothing where it cannot be had.
using ReadFile = std::function<std::optional<std::string>(const std::string& path)>;

// `std_packages`: import paths of the standard library. nullopt: let the go command do it.
std::optional<ReplaySource> replay_source(const ingest::Submission& submission, const BuildTarget& target,
                                          const std::set<std::string, std::less<>>& std_packages, const ReadFile& read);

// The imports of a Go file whose package clause says main. nullopt: not main, or anything out of the ordinary.
std::optional<std::vector<std::string>> plain_imports(std::string_view text);

}  // namespace sandbox_run::go_build
