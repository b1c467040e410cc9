// bench-pool: what a launch from a warm pool costs beside a bare exec of the same program, from taking the sandbox to
// the facts of the run.
//
//   bench-pool [--rounds N] NAME=PROGRAM…
//
// One interleaved run for each program: each round launches every contender once, in an order that rotates, with a
// pause before each in which what the last one left is removed. A bare exec is posix_spawn(3) to waitpid(2). Prints a
// table, and how many launches a second a pool of one thread sustains.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "launch/launch.h"

namespace {

using namespace sandbox_run;
using namespace sandbox_run::unit_literals;
using Clock = std::chrono::steady_clock;

constexpr unsigned kBlock = 12;  // sandboxes that wait in each pool at a time

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "bench-pool: {}\n", what);
  std::exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) fail(result.error().what);
  return std::move(result).value();
}

// As sandbox-run exec has it by default.
launch::Plan make_plan(bool shared) {
  static int serial = 0;
  launch::Plan plan;
  plan.id = fmt::format("bench-{}-{}", ::getpid(), ++serial);
  plan.profile_name = "go-run";
  plan.filter = *seccomp_profiles::builtin_filter("go-run");
  plan.memory = 256_MiB;
  plan.scratch = 64_MiB;
  plan.cgroup = {plan.memory + plan.scratch, 64, 1};
  plan.cpu_time = {std::chrono::seconds(10)};
  plan.wall_time = {std::chrono::seconds(20)};
  plan.output = 64_MiB;
  plan.mounts.push_back(launch::TmpfsMount{"/tmp", plan.scratch, 4096, {"/work"}, false});
  plan.may_share_network = shared;
  return plan;
}

struct Subject {
  std::string path;
  UniqueFd sealed;
  UniqueFd sink{::open("/dev/null", O_RDWR | O_CLOEXEC)};
};

double microseconds_since(Clock::time_point begun) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begun).count();
}

double bare(const Subject& subject) {
  char* const argv[] = {const_cast<char*>(subject.path.c_str()), nullptr};
  char processors[] = "GOMAXPROCS=1";
  char* const environment[] = {processors, nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd : {0, 1}) posix_spawn_file_actions_adddup2(&actions, subject.sink.get(), fd);
  pid_t pid = 0;
  int status = 0;
  const auto begun = Clock::now();
  if (::posix_spawn(&pid, argv[0], &actions, nullptr, argv, environment) != 0) fail("cannot run " + subject.path);
  ::waitpid(pid, &status, 0);
  const double took = microseconds_since(begun);
  posix_spawn_file_actions_destroy(&actions);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail(subject.path + " did not exit with 0");
  return took;
}

double warm(const Subject& subject, launch::Pool& pool, const char* network) {
  launch::Streams streams;
  streams.output = subject.sink.get();
  streams.error = STDERR_FILENO;
  const launch::Program program{subject.sealed.get(), {subject.path}, {"GOMAXPROCS=1"}, {}};
  const auto begun = Clock::now();
  const std::unique_ptr<launch::Sandbox> sandbox = must(pool.take());
  if (auto started = sandbox->start(program, streams); !started) fail(started.error().what);
  const launch::Facts facts = must(sandbox->wait(-1));
  const double took = microseconds_since(begun);
  if (!launch::succeeded(facts)) fail(subject.path + " did not exit with 0 inside");
  if (facts.network != network) fail("the network is " + facts.network + ", not " + network);
  return took;
}

void wait_until_full(const launch::Pool& pool, unsigned count) {
  while (pool.prepared() < count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

struct Contender {
  std::string name;
  std::vector<double> microseconds = {};
};

void measure(launch::Host& host, const Subject& subject, int rounds, std::vector<Contender>& contenders) {
  const auto beside = must(host.pool(make_plan(true), {.ahead = 2}));
  for (int round = 0; round < rounds;) {
    const auto shared = must(host.pool(make_plan(true), {.ahead = kBlock, .total = kBlock}));
    const auto fresh = must(host.pool(make_plan(false), {.ahead = kBlock, .total = kBlock}));
    wait_until_full(*shared, kBlock);
    wait_until_full(*fresh, kBlock);
    for (unsigned i = 0; i < kBlock && round < rounds; ++i, ++round) {
      const std::function<double()> launches[] = {
          [&] { return bare(subject); },
          [&] { return warm(subject, *shared, "none/shared-empty"); },
          [&] { return warm(subject, *fresh, "none/fresh"); },
          [&] { return warm(subject, *beside, "none/shared-empty"); },
      };
      for (std::size_t turn = 0; turn < std::size(launches); ++turn) {
        const std::size_t which = (turn + static_cast<std::size_t>(round)) % std::size(launches);
        wait_until_full(*beside, 2);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        contenders[which].microseconds.push_back(launches[which]());
      }
    }
  }
}

double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1) + 0.5)];
}

void print(const std::string& name, const std::vector<Contender>& contenders) {
  constexpr double kParts[] = {0.05, 0.5, 0.95};
  double bare[3] = {};
  for (const Contender& contender : contenders) {
    double at[3] = {};
    for (int i = 0; i < 3; ++i) at[i] = percentile(contender.microseconds, kParts[i]);
    if (&contender == &contenders[0]) std::copy(at, at + 3, bare);
    fmt::print("| {} | {} | {:.0f} | {:.0f} | {:.0f} | {:.2f} | {:.2f} | {:.0f} |\n", name, contender.name, at[0],
               at[1], at[2], at[0] / bare[0], at[1] / bare[1], at[1] - bare[1]);
  }
}

double launches_a_second(launch::Host& host, const Subject& subject, bool shared) {
  constexpr int kRuns = 300;
  const auto pool = must(host.pool(make_plan(shared), {.ahead = 8, .total = kRuns}));
  wait_until_full(*pool, 8);
  const auto begun = Clock::now();
  for (int run = 0; run < kRuns; ++run) warm(subject, *pool, shared ? "none/shared-empty" : "none/fresh");
  return kRuns / (microseconds_since(begun) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 200, at = 1;
  if (at + 1 < argc && !std::strcmp(argv[at], "--rounds")) rounds = std::atoi(argv[at + 1]), at += 2;
  if (at >= argc || rounds < 1) return fmt::print(stderr, "usage: bench-pool [--rounds N] NAME=PROGRAM…\n"), 2;
  const auto host = must(launch::Host::open());
  fmt::print("| program | contender | p5 µs | p50 µs | p95 µs | p5 ÷ bare | p50 ÷ bare | p50 − bare, µs |\n");
  fmt::print("|---|---|---|---|---|---|---|---|\n");
  std::string throughput;
  for (; at < argc; ++at) {
    const std::string word = argv[at], name = word.substr(0, word.find('='));
    Subject subject;
    subject.path = word.substr(word.find('=') + 1);
    subject.sealed = must(sealed_memfd("program", must(read_file(subject.path, 64_MiB)), true));
    std::vector<Contender> contenders = {{"bare exec"},
                                         {"warm, shared empty network"},
                                         {"warm, fresh network"},
                                         {"warm, shared, the next one prepared beside it"}};
    measure(*host, subject, rounds, contenders);
    print(name, contenders);
    throughput +=
        fmt::format("{}: {:.0f} launches a second from one pool with a shared network, {:.0f} with fresh ones\n", name,
                    launches_a_second(*host, subject, true), launches_a_second(*host, subject, false));
  }
  fmt::print("\n{}", throughput);
}
