// profile-run PROFILE PROGRAM ARGS…: runs a program under one profile alone and lists on stderr what was denied. A tool
// for those who write profiles; it builds no other wall.
#include <sys/wait.h>

#include <cstdio>

#include "seccomp-profiles/filter.h"
#include "seccomp-profiles/testing/supervise.h"

namespace {

using namespace sandbox_run;
using namespace sandbox_run::seccomp_profiles;

Result<int> run(int argc, char** argv) {
  if (argc < 3) return input_error("usage: profile-run PROFILE /path/of/PROGRAM ARGS…");
  TRY(const Profile profile, Profile::load(argv[1]));
  TRY(const Filter filter, compile(profile));
  seccomp_profiles::testing::SuperviseOptions options;
  options.exec_once = profile.exec_once;
  TRY(const auto result, supervise(filter, std::vector<std::string>(argv + 2, argv + argc), options));
  std::fprintf(stderr, "%s", result.describe_denied().c_str());
  return WIFEXITED(result.wait_status) ? WEXITSTATUS(result.wait_status) : 128 + WTERMSIG(result.wait_status);
}

}  // namespace

int main(int argc, char** argv) {
  const auto result = run(argc, argv);
  if (!result) std::fprintf(stderr, "profile-run: %s\n", result.error().what.c_str());
  return result ? *result : 125;
}
