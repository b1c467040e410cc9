#include "launch/testing/sandbox_fixture.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/files.h"

namespace sandbox_run::launch {
namespace {

using namespace unit_literals;
namespace fs = std::filesystem;

void add_lines(const char* what, const char* path, std::vector<std::string>& out) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) out.push_back(std::string(what) + " " + line);
}

}  // namespace

Host& SandboxFixture::host() {
  static const std::unique_ptr<Host> opened = [] {
    auto host = Host::open();
    if (!host) throw std::runtime_error(host.error().what);
    return std::move(host).value();
  }();
  return *opened;
}

int SandboxFixture::payload() {
  static const UniqueFd program = [] {
    auto content = read_file(LAUNCH_PAYLOAD, 16_MiB);
    if (!content) throw std::runtime_error(content.error().what);
    auto sealed = sealed_memfd("payload", *content, true);
    if (!sealed) throw std::runtime_error(sealed.error().what);
    return std::move(sealed).value();
  }();
  return program.get();
}

std::vector<std::string> SandboxFixture::traces() const {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const fs::path target = fs::read_symlink(entry.path(), gone);
    // The descriptor of this very listing.
    if (!gone && target.string().find("/proc/") != 0) found.push_back("descriptor " + entry.path().string());
  }
  add_lines("mount", "/proc/self/mountinfo", found);
  for (std::string& process : processes_of(::getpid())) found.push_back(std::move(process));
  for (const auto& controller : fs::directory_iterator("/sys/fs/cgroup")) {
    std::error_code none;
    for (const auto& group : fs::directory_iterator(controller.path() / "sandbox-run", none))
      if (group.path().string().find(id_) != std::string::npos) found.push_back("cgroup " + group.path().string());
  }
  return found;
}

// Ids of a supervisor's sandboxes: host.cc.
std::vector<std::string> SandboxFixture::processes_of(pid_t supervisor) {
  const long first = 0x60000000L + static_cast<long>(supervisor) * 128;
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream status(entry.path() / "status");
    for (std::string line; std::getline(status, line);) {
      // Dead, and waiting for whoever adopted it: how soon that one reaps is not ours to promise.
      if (line.rfind("State:\tZ", 0) == 0) break;
      if (line.rfind("Uid:", 0) != 0) continue;
      const long uid = std::atol(line.c_str() + 4);
      if (uid >= first && uid < first + 128) found.push_back("process " + entry.path().string());
    }
  }
  return found;
}

void SandboxFixture::SetUp() {
  static int count = 0;
  id_ = fmt::format("test-{}-{}", ::getpid(), ++count);
  host();
  payload();
  before_ = traces();
}

void SandboxFixture::TearDown() {
  // Other mounts and descriptors of this machine do not change meanwhile; a dying namespace may take a moment.
  eventually([&] { return traces() == before_; });
  EXPECT_EQ(traces(), before_);
}

Plan SandboxFixture::plan() {
  Plan plan;
  plan.id = id_;
  plan.profile_name = "generic";
  plan.filter = *seccomp_profiles::builtin_filter("generic");
  plan.memory = 64_MiB;
  plan.scratch = 8_MiB;
  plan.cgroup = {plan.memory + plan.scratch, 16, 1};
  plan.cpu_time = {std::chrono::seconds(5)};
  plan.wall_time = {std::chrono::seconds(30)};
  plan.output = 16_MiB;
  plan.mounts.push_back(TmpfsMount{"/tmp", plan.scratch, 256, {"/work"}, false});
  return plan;
}

Streams SandboxFixture::captured() {
  Streams streams;
  streams.capture = 1_MiB;
  return streams;
}

std::unique_ptr<Sandbox> SandboxFixture::started(const Plan& plan, const std::vector<std::string>& words,
                                                 Streams streams) {
  auto sandbox = host().prepare(plan);
  EXPECT_TRUE(sandbox.has_value()) << sandbox.error().what;
  if (!sandbox) return nullptr;
  Program program{payload(), {"payload"}, {"HOME=/tmp"}};
  program.argv.insert(program.argv.end(), words.begin(), words.end());
  auto status = sandbox.value()->start(program, streams);
  EXPECT_TRUE(status.has_value()) << status.error().what;
  return std::move(sandbox).value();
}

Result<Facts> SandboxFixture::run(const Plan& plan, const std::vector<std::string>& words, Streams streams,
                                  int cancel_fd) {
  TRY(std::unique_ptr<Sandbox> sandbox, host().prepare(plan));
  Program program{payload(), {"payload"}, {"HOME=/tmp"}};
  program.argv.insert(program.argv.end(), words.begin(), words.end());
  TRY_STATUS(sandbox->start(program, streams));
  return sandbox->wait(cancel_fd);
}

std::string SandboxFixture::output_of(const Plan& plan, const std::vector<std::string>& words) {
  auto facts = run(plan, words);
  EXPECT_TRUE(facts.has_value()) << facts.error().what;
  if (!facts) return "";
  EXPECT_EQ(facts->ended, EndedBySupervisor::none);
  EXPECT_TRUE(facts->status.has_value());
  return facts->stdout_stream.captured;
}

Plan SandboxFixture::with(Plan plan, const std::string& weakened) {
  plan.weaken.push_back(weakened);
  return plan;
}

}  // namespace sandbox_run::launch
