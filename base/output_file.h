// What a user names for output (--report, build -o): a file of theirs, a device, a pipe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace sandbox_run {

// A regular file or a new one is replaced as by replace_file. A device, a pipe or a symbolic link (/dev/null,
// /dev/stderr, a FIFO) is written to: renaming over it would destroy it.
Status write_output(const std::string& path, std::string_view data, mode_t mode = 0644);

// Whether write_output(path) can work, asked before what makes the data takes its time: the directory is there and may
// be written to, or the thing itself may.
// Fails with: Fault::input, naming the directory where that is what lacks.
Status check_output(const std::string& path);

}  // namespace sandbox_run
