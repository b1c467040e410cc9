// unarchive: runs sandbox-run-unarchive on an archive and hands its checked frames to a sink.
#pragma once

#include <string>

#include "base/result.h"
#include "ingest/content_kind.h"
#include "ingest/frames.h"
#include "ingest/submission.h"

namespace sandbox_run::ingest {

// `helper`: its path (base/helper_program.h).
// REQUIRES: `archive` is a regular file nobody else writes, at its start; `kind` is an archive's kind.
// Fails with: Fault::input where the archive is refused (`name` is in the message), where it takes too long, or where
// the sink refuses; Fault::host, Fault::self otherwise. The helper is dead when this returns.
Status unarchive(const std::string& helper, int archive, ContentKind kind, const std::string& name,
                 const Limits& limits, FrameSink& sink);

}  // namespace sandbox_run::ingest
