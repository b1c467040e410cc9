// Where this installation's helper programs are: in libexec beside the directory of the running executable.
#pragma once

#include <string>

#include "base/result.h"

namespace sandbox_run {

// The path of `name` in `directory`, or where that is empty in ../libexec (or ../libexec/sandbox-run) as seen from the
// running executable. Fails with: Fault::host, naming the places, where none of them has it to execute.
Result<std::string> helper_program(const std::string& name, const std::string& directory = "");

}  // namespace sandbox_run
