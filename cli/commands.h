// The commands of `sandbox-run`. Each takes the words after its name and answers the exit status.
#pragma once

#include <string>
#include <vector>

namespace sandbox_run::cli {

using Words = std::vector<std::string>;

int run_command(const Words& words);        // source → report, the program's streams passed through
int test_command(const Words& words);       // the same for a package's tests
int exec_command(const Words& words);       // a prebuilt executable through the walls
int build_command(const Words& words);      // source → a static binary on disk
int verify_command(const Words& words);     // source → findings; exit codes of its own
int fetch_command(const Words& words);      // verify, with everything needed put into the store
int doctor_command(const Words& words);     // what the host gives
int profile_command(const Words& words);    // list | show NAME
int trace_command(const Words& words);      // list | attach | detach | reload | explain | list-functions | …
int toolchain_command(const Words& words);  // list | install VERSION | remove VERSION
int cache_command(const Words& words);      // list | clear [KIND]

// Exit status of usage errors and of our own or the host's failures.
constexpr int kOurFailure = 125;

}  // namespace sandbox_run::cli
