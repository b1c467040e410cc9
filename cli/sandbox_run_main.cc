// sandbox-run: the command line.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/output_file.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace sandbox_run::cli {
namespace {

struct Command {
  std::string_view name;
  int (*run)(const Words&);
  std::string_view summary;
};

constexpr Command kCommands[] = {
    {"run", run_command, "verify, build and run Go source: a directory, files, an archive, module@version"},
    {"exec", exec_command, "run a prebuilt static executable inside the walls"},
    {"test", test_command, "build and run a package's tests"},
    {"build", build_command, "verify and build, and write the static binary"},
    {"verify", verify_command, "check what a source would be built from against its go.sum"},
    {"fetch", fetch_command, "fetch and verify the modules a source needs"},
    {"doctor", doctor_command, "say which walls and hardenings this host gives"},
    {"profile", profile_command, "list or show system call profiles"},
    {"trace", trace_command, "switch the hooks of running programs, and show what rules hook"},
    {"toolchain", toolchain_command, "install, list or remove Go toolchains"},
    {"cache", cache_command, "show or empty what is kept to be fast the next time"},
};

std::string usage() {
  std::string text =
      "sandbox-run runs untrusted Go code and says exactly what happened.\n\nusage: sandbox-run COMMAND [flags] …\n\n";
  for (const Command& command : kCommands) text += fmt::format("  {:<10} {}\n", command.name, command.summary);
  return text +
         "\n'sandbox-run COMMAND --help' lists the flags of a command; for a start: sandbox-run run examples/hello\n"
         "\nExit status of run, test and exec: the program's own; else 120 rejected or not verified, 121 not built,\n"
         "122 memory, 123 output, tasks or files, 124 time, 125 our own failure or a wrong flag, 130 canceled, 128+n\n"
         "killed by signal n. --json and --report FILE say which it was where the program's own could look the same.\n"
         "\nEnvironment: SANDBOX_RUN_STATE (what is kept between runs: toolchains, modules, compiled packages;\n"
         "/var/lib/sandbox-run as root, else ~/.cache/sandbox-run), SANDBOX_RUN_GOROOT (the Go to build with),\n"
         "SANDBOX_RUN_CGROUP (a group that was delegated to you, to run without root), GOPROXY (where modules and\n"
         "toolchains are fetched from).\n";
}

// Descriptors 0 to 2 must exist, or the next file opened would take the place of a closed stream.
void fill_standard_streams() {
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= 2) fd = ::open("/dev/null", O_RDWR);
  if (fd > 2) ::close(fd);
}

int main_of(const Words& words) {
  const std::string name = words.empty() ? "" : words[0];
  const bool wants_help = name == "--help" || name == "-h" || name == "help";
  if (wants_help && words.size() > 1)
    for (const Command& command : kCommands)
      if (command.name == words[1]) return command.run({"--help"});
  if (wants_help) return write_all(STDOUT_FILENO, usage(), "stdout") ? 0 : kOurFailure;
  if (name == "--version" || name == "version")
    return write_all(STDOUT_FILENO, "sandbox-run " SANDBOX_RUN_VERSION "\n", "stdout") ? 0 : kOurFailure;
  for (const Command& command : kCommands)
    if (command.name == name) return command.run(Words(words.begin() + 1, words.end()));
  say(name.empty() ? "no command given; see 'sandbox-run --help'"
                   : fmt::format("no command '{}'; see 'sandbox-run --help'", name));
  return kOurFailure;
}

}  // namespace
}  // namespace sandbox_run::cli

int main(int argc, char** argv) {
  sandbox_run::cli::fill_standard_streams();
  sandbox_run::take_callers_umask();
  // The house reports by Result; what is thrown all the same (no memory left, a bug) must not look like the program's
  // end.
  try {
    return sandbox_run::cli::main_of(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    sandbox_run::cli::say(fmt::format("internal error: {}; nothing is decided about the program", error.what()));
    return sandbox_run::cli::kOurFailure;
  }
}
