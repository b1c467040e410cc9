// names: which paths a submission may hold, and how a hostile one is shown to a person.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "ingest/submission.h"

namespace sandbox_run::ingest {

// A directory's names are those of the user's own file system; an archive's come from any system, so they must be
// portable as well: no device names (CON, NUL, COM1), no trailing dot or space, none of <>:"|?*, no leading dash.
enum class NameRules { local, portable };

// A path of a submission: relative, '/'-separated, each component a name that means the same to everyone who reads it.
// Refused: empty or absolute paths, "." and ".." and empty components, backslashes, drive letters, bytes that are not
// UTF-8, control characters, characters that are invisible, change the direction of text or imitate '/' and '.',
// and what the caps say (depth, name_bytes).
// Fails with: Fault::input; the message names the path, escaped, and the reason.
Status check_path(std::string_view path, const Limits& limits, NameRules rules);

// Text for a message: control, invisible and non-UTF-8 bytes escaped as \xNN or \u{NNNN}, and cut when long.
std::string escape(std::string_view text);

// The same for text that is a message already: quotes and backslashes stay.
std::string printable(std::string_view message);

// True for the directories (and files: a worktree's .git is one) version control systems keep in a checkout:
// a build tool run there executes what they configure.
bool is_version_control_name(std::string_view component);

}  // namespace sandbox_run::ingest
