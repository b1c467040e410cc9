// launch-probe PROGRAM [-n COUNT] [-p PROFILE] [-- ARGS…]: launches a program in a loop and prints what it cost. For
// benchmarks of the launcher alone; not installed.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/files.h"
#include "launch/launch.h"

namespace {

using namespace sandbox_run;
using namespace sandbox_run::unit_literals;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string program;
  int count = 1;
  std::string profile = "go-run";
  std::vector<std::string> weaken;
  bool bare = false;
  std::vector<std::string> arguments;
};

launch::Plan make_plan(const Options& options, int round) {
  launch::Plan plan;
  plan.id = fmt::format("probe-{}-{}", ::getpid(), round);
  plan.profile_name = options.profile;
  if (const auto* filter = seccomp_profiles::builtin_filter(options.profile)) plan.filter = *filter;
  plan.memory = 256_MiB;
  plan.scratch = 64_MiB;
  plan.cgroup = {plan.memory + plan.scratch, 64, 1};
  plan.cpu_time = {std::chrono::seconds(10)};
  plan.wall_time = {std::chrono::seconds(20)};
  plan.output = 64_MiB;
  plan.mounts.push_back(launch::TmpfsMount{"/tmp", plan.scratch, 4096, {"/work"}, false});
  plan.weaken = options.weaken;
  return plan;
}

Result<launch::Facts> launch_once(launch::Host& host, const Options& options, int program, int round) {
  TRY(std::unique_ptr<launch::Sandbox> sandbox, host.prepare(make_plan(options, round)));
  launch::Program what{program, {options.program}, {"HOME=/tmp", "GOMAXPROCS=1"}};
  what.argv.insert(what.argv.end(), options.arguments.begin(), options.arguments.end());
  launch::Streams streams;
  streams.input = STDIN_FILENO;
  streams.output = STDOUT_FILENO;
  streams.error = STDERR_FILENO;
  TRY_STATUS(sandbox->start(what, streams));
  return sandbox->wait(-1);
}

void run_bare(const Options& options) {
  const char* argv[] = {options.program.c_str(), nullptr};
  pid_t child;
  if (::posix_spawn(&child, options.program.c_str(), nullptr, nullptr, const_cast<char**>(argv), environ) != 0)
    std::exit(1);
  ::waitpid(child, nullptr, 0);
}

void print(const launch::Facts& facts) {
  std::string denied;
  for (const auto& call : facts.denied) denied += fmt::format(" {}×{}", call.syscall, call.count);
  fmt::print(stderr,
             "ended={} status={} wall={}us cpu={}us peak={} processes={} prepare={}us cleanup={}us denied=[{}] "
             "hardening=[{}]\n",
             static_cast<int>(facts.ended),
             !facts.status          ? "none"
             : facts.status->exited ? fmt::format("exit {}", facts.status->exit_code)
                                    : fmt::format("signal {}", facts.status->signal),
             facts.wall_time.count(), facts.usage.cpu.value.count(), facts.usage.memory_peak.count,
             facts.usage.processes_peak, facts.prepare_time.count(), facts.cleanup_time.count(), denied,
             fmt::join(facts.hardening, " "));
}

Options parse(int argc, char** argv) {
  Options options;
  for (int index = 1; index < argc; ++index) {
    const std::string word = argv[index];
    auto value = [&] { return index + 1 < argc ? argv[++index] : ""; };
    if (word == "-n") {
      options.count = std::atoi(value());
    } else if (word == "-p") {
      options.profile = value();
    } else if (word == "-w") {
      options.weaken.emplace_back(value());
    } else if (word == "--bare") {
      options.bare = true;
    } else if (word == "--") {
      options.arguments.assign(argv + index + 1, argv + argc);
      break;
    } else {
      options.program = word;
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const auto opening = Clock::now();
  auto host = launch::Host::open();
  if (!host) return fmt::print(stderr, "{}\n", host.error().what), 125;
  const auto opened = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - opening).count();
  auto content = read_file(options.program, 1_GiB);
  if (!content) return fmt::print(stderr, "{}\n", content.error().what), 125;
  auto sealed = sealed_memfd("program", *content, true);  // once, as an artifact is: a file would be copied each time
  if (!sealed) return fmt::print(stderr, "{}\n", sealed.error().what), 125;
  std::vector<long> times, prepare, run, cleanup;
  for (int round = 0; round < options.count; ++round) {
    const auto begin = Clock::now();
    if (options.bare) {
      run_bare(options);
    } else {
      auto facts = launch_once(*host.value(), options, sealed->get(), round);
      if (!facts) return fmt::print(stderr, "{}\n", facts.error().what), 125;
      if (options.count == 1) print(*facts);
      prepare.push_back(facts->prepare_time.count());
      run.push_back(facts->wall_time.count());
      cleanup.push_back(facts->cleanup_time.count());
    }
    times.push_back(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count());
  }
  auto middle = [](std::vector<long>& values, double part) {
    if (values.empty()) return 0L;
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(static_cast<double>(values.size() - 1) * part)];
  };
  auto cpu_time = [](int who) {
    rusage usage{};
    ::getrusage(who, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  };
  if (options.count > 1)
    fmt::print(stderr, "CPU time a launch: self {} us, children {} us\n", cpu_time(RUSAGE_SELF) / options.count,
               cpu_time(RUSAGE_CHILDREN) / options.count);
  if (options.count > 1)
    fmt::print(stderr, "open {} us; p50 {} us, p95 {} us; prepare {}, run {}, cleanup {}\n", opened, middle(times, 0.5),
               middle(times, 0.95), middle(prepare, 0.5), middle(run, 0.5), middle(cleanup, 0.5));
  return 0;
}
