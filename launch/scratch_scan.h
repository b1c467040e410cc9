// What the files that a run left in its scratch space say of its limits, once everything of the run is dead.
#pragma once

#include "base/units.h"

namespace sandbox_run::launch {

// A regular file below `directory` has grown to `size`. The kernel cuts a write that crosses RLIMIT_FSIZE short at
// exactly that size and refuses the next one with EFBIG (generic_write_checks; setrlimit(2)), which is all that is left
// to see of it where the program survives SIGXFSZ, as every Go program does. A write or a truncation that would begin
// beyond the limit leaves nothing behind. Bounded: 16,384 names, 64 directories deep; follows no link.
bool has_file_of_size(int directory, Bytes size);

}  // namespace sandbox_run::launch
