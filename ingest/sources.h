// sources: one function for each kind of SOURCE; each fills a snapshot and says what it found. Private to ingest/.
#pragma once

#include <string>
#include <vector>

#include "base/narrator.h"
#include "base/result.h"
#include "ingest/content_kind.h"
#include "ingest/ingest.h"

namespace sandbox_run::ingest {

// What the source functions share.
struct Context {
  const Request& request;
  std::string workspace;
  Narrator& narrator;
  std::string inside = {};  // a path inside an archive: what follows it in SOURCE, or Request::package

  std::string destination() const { return workspace + "/src"; }
};

Result<Submission> snapshot_directory(const Context& context, const std::string& source);
Result<Submission> snapshot_files(const Context& context, const std::vector<std::string>& sources);
Result<Submission> snapshot_standard_input(const Context& context);
// A file that is no .go file: an archive, told by content; its extension must not contradict.
Result<Submission> snapshot_archive_file(const Context& context, const std::string& source);

// An archive's bytes from a seekable descriptor; `name` is for messages.
Result<Submission> snapshot_archive(const Context& context, int archive, ContentKind kind, const std::string& name);
Result<Submission> snapshot_text_archive(const Context& context, std::string_view text, const std::string& name);

// Which directory of an archive is the module: see snapshot(). `root` is --root, `inside` the directory asked for, both
// may be empty. "." is the top.
Result<std::string> module_directory(const std::vector<SubmittedFile>& files, const std::string& root,
                                     const std::string& inside, const std::string& name);

class SnapshotWriter;
// Finishes a writer whose files came from an archive or a text archive.
Result<Submission> assemble(const Context& context, SnapshotWriter& writer, const std::string& name);

// The regular file a user named, without following a symbolic link in its last component.
Result<UniqueFd> open_named_file(const std::string& path);

}  // namespace sandbox_run::ingest
