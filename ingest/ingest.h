// ingest: bytes → Submission. The first stage of the road; nothing here is parsed as Go but package clauses.
#pragma once

#include <string>
#include <vector>

#include "base/narrator.h"
#include "base/result.h"
#include "ingest/submission.h"

namespace sandbox_run::ingest {

struct Request {
  std::vector<std::string> sources;  // the SOURCE arguments: a directory, .go files, "-", an archive
  std::string root;                  // --root, or empty: the nearest parent go.mod decides. For an archive and for
                                     // standard input: a directory inside it ("." is its top)
  std::string package;               // which directory of standard input's archive: "cmd/tool"; other SOURCEs say it
                                     // themselves ("app.zip/cmd/tool"); empty: the module's own directory
  int standard_input = 0;  // read where a source is "-": a Go file, a txtar, a zip or a tar, told apart by content
  Limits limits;
  std::string libexec_directory;  // where sandbox-run-unarchive is; empty: ../libexec beside the running executable
};

// Copies what `request` names into `workspace`/src (a directory of ours, mode 0700, removed by its owner).
// Fails with: Fault::input where the submission is refused (what, which entry, what to do), Fault::host otherwise.
// `module@version` is not resolved here: fetch extracts it and hands its directory over as a source.
//
// What becomes the root of the snapshot:
// - A directory: the nearest directory at or above it with a go.mod, or --root, or the directory itself. A trailing
//   "/..." is kept in Submission::package.
// - .go files of one directory inside a module: the module, without the Go files beside them that were not named; the
//   named ones are listed in Submission::go_files. Elsewhere, or from several directories: those files alone, by their
//   own names; go.mod and go.sum may be among them.
// - An archive: the directory of its only outermost go.mod; without a go.mod the one top directory that holds
//   everything, or its top. Files outside are dropped and said. A directory inside it can follow its name like that of
//   any directory ("app.zip/cmd/tool"), from its top or from the module; the nearest go.mod above it then decides.
// - Standard input: by content. Text before a txtar's first marker that is Go source is the file main.go.
Result<Submission> snapshot(const Request& request, const std::string& workspace, Narrator& narrator);

// True for "path@version" forms, which need fetch before a snapshot: a module path, '@', a version, and no such file.
bool is_module_version(const std::string& source);

}  // namespace sandbox_run::ingest
