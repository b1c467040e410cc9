// main_package: which directories of a submission hold a program, told from package clauses and build constraints.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "ingest/submission.h"

namespace sandbox_run::sum_verify {

// The directories of the main module whose package is main for this machine and `tags`: "." and "./cmd/a", sorted.
// Left out as the go command leaves them out: vendor, testdata, names starting with '_' or '.', nested modules; test
// files and files that build constraints exclude do not count. A constraint that only the toolchain can decide, or that
// is malformed, excludes nothing: the go command has the right words for it.
Result<std::vector<std::string>> main_packages(const ingest::Submission& submission,
                                               const std::vector<std::string>& tags = {});

// Succeeds where the package asked for is a program. Fails with: Fault::input; the message says what is there instead
// and lists the programs there are. A single candidate is named, never guessed. Stages that need no program (verify,
// test) do not call this. Whether the program builds is the build's business.
Status require_main_package(const ingest::Submission& submission, const std::vector<std::string>& tags = {});

}  // namespace sandbox_run::sum_verify
