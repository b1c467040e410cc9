// SandboxFixture: runs the payload in a sandbox and checks after every test that nothing of it is left.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/testing.h"
#include "launch/launch.h"

namespace sandbox_run::launch {

class SandboxFixture : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;  // no process, descriptor, mount or cgroup more than before

  // Profile generic, 64 MiB, 16 processes, 5 s; scratch of 8 MiB at /tmp and /work.
  Plan plan();
  // Streams with nothing in and 1 MiB of capture.
  static Streams captured();
  Result<Facts> run(const Plan& plan, const std::vector<std::string>& words, Streams streams = captured(),
                    int cancel_fd = -1);
  // The captured output of a run that must succeed.
  std::string output_of(const Plan& plan, const std::vector<std::string>& words);
  // A prepared and started sandbox.
  std::unique_ptr<Sandbox> started(const Plan& plan, const std::vector<std::string>& words, Streams streams);

  static Host& host();
  static int payload();                                            // descriptor of the sealed program
  static std::vector<std::string> processes_of(pid_t supervisor);  // by their host user
  static Plan with(Plan plan, const std::string& weakened);

  std::string id_;

 private:
  std::vector<std::string> traces() const;
  std::vector<std::string> before_;
};

// Waits up to five seconds for `condition`.
template <class Condition>
bool eventually(Condition condition) {
  for (int attempt = 0; attempt < 500; ++attempt) {
    if (condition()) return true;
    ::usleep(10'000);
  }
  return false;
}

}  // namespace sandbox_run::launch
