// bench-launch: what it costs to run a program in our sandbox, beside a bare exec, bubblewrap, firejail and what the
// kernel alone asks for (launch-floor).
//
//   bench-launch [--rounds N] [--pause MS] SANDBOX_RUN LAUNCH_FLOOR PROGRAM
//
// One interleaved run: each round launches every contender once, in an order that rotates, so that drift of the machine
// falls on all alike. A launch is timed from posix_spawn to the reaping of the child; its streams are /dev/null.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

extern char** environ;

namespace {

struct Contender {
  std::string name;
  std::vector<std::string> line;
  std::vector<double> microseconds = {};
};

// What each peer is asked for comes as near to our walls as its flags allow; none of the peers sets a cgroup limit.
std::vector<Contender> contenders(const std::string& ours, const std::string& floor, const std::string& program) {
  return {
      {"bare exec", {program}},
      {"sandbox-run exec", {ours, "exec", "--stdin", "none", program}},
      {"the kernel's part of it", {floor, program}},
      {"bubblewrap",
       {"bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--ro-bind", program,
        "/program", "--dev", "/dev", "--tmpfs", "/tmp", "/program"}},
      {"firejail",
       {"firejail", "--quiet", "--noprofile", "--private", "--private-dev", "--net=none", "--caps.drop=all",
        "--nonewprivs", "--seccomp", program}},
  };
}

// Spawn to reaped, in microseconds. Ends the whole bench where a contender does not exit with 0: a failed launch is
// fast.
double launch(const Contender& contender) {
  std::vector<char*> argv;
  for (const std::string& word : contender.line) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd : {0, 1}) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  pid_t pid = 0;
  auto begun = std::chrono::steady_clock::now();
  int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  int status = 0;
  if (error == 0) waitpid(pid, &status, 0);
  auto ended = std::chrono::steady_clock::now();
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fmt::print(stderr, "bench-launch: {} failed: {} (status {:#x})\n", contender.name,
               error ? std::strerror(error) : "it did not exit with 0", status);
    std::exit(1);
  }
  return std::chrono::duration<double, std::micro>(ended - begun).count();
}

double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1) + 0.5)];
}

// p5 is what the contender costs when nothing else is in its way; p95 shows what a busy machine adds.
void print(const std::vector<Contender>& all) {
  constexpr double kParts[] = {0.05, 0.5, 0.95};
  fmt::print("| contender | p5 µs | p50 µs | p95 µs | p50 ÷ bare | p5 − bare, µs | p50 − bare, µs |\n");
  fmt::print("|---|---|---|---|---|---|---|\n");
  double bare[3] = {};
  for (const Contender& contender : all) {
    double at[3] = {};
    for (int i = 0; i < 3; ++i) at[i] = percentile(contender.microseconds, kParts[i]);
    if (&contender == &all[0]) std::copy(at, at + 3, bare);
    fmt::print("| {} | {:.0f} | {:.0f} | {:.0f} | {:.2f} | {:.0f} | {:.0f} |\n", contender.name, at[0], at[1], at[2],
               at[1] / bare[1], at[0] - bare[0], at[1] - bare[1]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 200, pause_ms = 0, at = 1;
  for (; at + 1 < argc && std::strncmp(argv[at], "--", 2) == 0; at += 2) {
    if (!std::strcmp(argv[at], "--rounds")) rounds = std::atoi(argv[at + 1]);
    if (!std::strcmp(argv[at], "--pause")) pause_ms = std::atoi(argv[at + 1]);
  }
  if (argc - at != 3 || rounds < 1) {
    fmt::print(stderr, "usage: bench-launch [--rounds N] [--pause MS] SANDBOX_RUN LAUNCH_FLOOR PROGRAM\n");
    return 2;
  }
  std::vector<Contender> all = contenders(argv[at], argv[at + 1], argv[at + 2]);
  for (const Contender& contender : all) launch(contender);  // warms caches; checks that each works
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      Contender& contender = all[(i + static_cast<std::size_t>(round)) % all.size()];
      if (pause_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
      contender.microseconds.push_back(launch(contender));
    }
  }
  print(all);
}
