// Output files: what the caller asked to have written somewhere of the host's (--report, --out, -o, --trace-out). They
// are made as the caller's umask says, while everything of our own is made under 022: the trees that are mounted, and
// the state that compilers read, are for other users to read, whatever the caller's umask is.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace sandbox_run {

// Remembers the umask that the process was started with and sets 022. REQUIRES: called once, before the first thread.
void take_callers_umask();

// `mode` less what the caller's umask takes away.
mode_t as_caller_says(mode_t mode);

// A regular file, or one that is not there yet, is replaced whole or not at all (replace_file). Anything else (a
// device, a pipe, a symbolic link such as /dev/stdout) is written to as a shell would, and stays what it is. Fails
// with: ENXIO for a named pipe that nobody reads.
Status write_output(const std::string& path, std::string_view data, mode_t mode = 0644);

// For what is written bit by bit: an emptied regular file, or the device or pipe that it is, as a shell would have it.
// Fails with: ENXIO for a named pipe that nobody reads.
Result<UniqueFd> open_output(const std::string& path, mode_t mode = 0644);

// Whether open_output(path) can work, asked before; nothing is made or opened. Fails with: Fault::input.
Status check_open_output(const std::string& path);

// Whether files can be put below this directory, which is made where it is not there yet; asked before, nothing is
// made. Fails with: Fault::input.
Status check_output_directory(const std::string& path);

// Whether write_output(path) can work, asked before what makes the data takes its time: the directory is there and may
// be written to, or the thing itself may.
// Fails with: Fault::input, naming the directory where that is what lacks.
Status check_output(const std::string& path);

}  // namespace sandbox_run
