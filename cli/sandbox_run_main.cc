// sandbox-run: the command line.
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
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

// Where the caller's stack limit is smaller than the usual one, the first deep call would end this process by SIGSEGV.
// The kernel holds a growing stack against the limit of that moment; glibc sizes threads by the one at the start.
Status make_room_on_stack() {
  constexpr rlim_t kUsual = 8u << 20, kLeast = 1u << 20;
  rlimit given{};
  if (::getrlimit(RLIMIT_STACK, &given) != 0) return host_error(errno, "cannot read the stack limit");
  if (given.rlim_cur >= kUsual) return {};
  rlimit room{kUsual, std::max(given.rlim_max, kUsual)};
  if (::setrlimit(RLIMIT_STACK, &room) != 0) room = {given.rlim_max, given.rlim_max};
  if (room.rlim_cur < kLeast || ::setrlimit(RLIMIT_STACK, &room) != 0)
    return host_error(fmt::format(
        "the stack is limited to {} bytes and cannot be given the {} that sandbox-run needs: raise the hard "
        "limit it is started with ('ulimit -H -s' shows it in KiB; docker run --ulimit stack=8388608)",
        given.rlim_max, kLeast));
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  int error = ::pthread_attr_setstacksize(&attributes, kUsual);
  if (error == 0) error = ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
  if (error != 0) return host_error(error, "cannot set the size of threads' stacks");
  return {};
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
    if (sandbox_run::Status room = sandbox_run::cli::make_room_on_stack(); !room) {
      sandbox_run::cli::say(room.error().what);
      return sandbox_run::cli::kOurFailure;
    }
    return sandbox_run::cli::main_of(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& error) {
    sandbox_run::cli::say(fmt::format("internal error: {}; nothing is decided about the program", error.what()));
    return sandbox_run::cli::kOurFailure;
  }
}
