// Collecting a run's files (--out): by descriptor, when everything of the run is dead, believing nothing of the names.
#pragma once

#include <string>
#include <vector>

#include "base/units.h"
#include "runner/request.h"

namespace sandbox_run::runner {

// Copies the regular files below `scratch_fd` (the root of the run's scratch file system; -1: none) whose path matches
// a glob into its directory, keeping their relative path. Links, devices, FIFOs, sockets, files with more than one name
// and names that are not plain text are skipped; mode bits become 0644. Opened with
// RESOLVE_BENEATH|NO_SYMLINKS|NO_MAGICLINKS|NO_XDEV and O_NONBLOCK. At most `most` bytes are written in all: a sparse
// file costs the program nothing, and the host its size. Holds nothing against the run: what is not copied, for
// whatever reason, is a line of the answer (100 at most, and one for each glob that nothing matched), because the names
// are the program's choice and must not decide its verdict.
std::vector<std::string> collect(const std::vector<Collect>& wanted, int scratch_fd, Bytes most);

}  // namespace sandbox_run::runner
