// GoCommand: one run of the go command inside a build sandbox, and what its end means.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "go-build/artifact.h"
#include "go-build/build_plan.h"
#include "go-build/compiler_messages.h"
#include "go-build/toolchain.h"
#include "launch/launch.h"

namespace sandbox_run::go_build {

// Of what the go command prints, this much is looked at.
inline constexpr Bytes kCapturedMessages{256 << 10};

// "build-1234-5": unique among live runs of this machine.
std::string unique_id(std::string_view prefix);
unsigned processors();

// Launches the toolchain's go command. `messages_fd` gets what it prints as it comes (-1: nowhere); `cancel_fd` as
// launch::Sandbox::wait. Fails with: as launch; ECANCELED where `cancel_fd` ended it.
Result<launch::Facts> run_go(launch::Host& host, launch::Plan plan, const Toolchain& toolchain,
                             const BuildCommand& command, int messages_fd, int cancel_fd);

// One of the toolchain's programs ("compile") in a sandbox of its own, in two steps, so that the next sandbox can be
// made while this one runs.
class Tool {
 public:
  // `program`: relative to GOROOT. Fails with: as launch.
  static Result<Tool> prepare(launch::Host& host, launch::Plan plan, const Toolchain& toolchain,
                              const std::string& program);
  // `executable` is borrowed.
  static Result<Tool> prepare(launch::Host& host, launch::Plan plan, int executable);
  Status start(const BuildCommand& command, int messages_fd, Bytes capture = kCapturedMessages);
  // Fails with: ECANCELED where `cancel_fd` ended it.
  Result<launch::Facts> wait(int cancel_fd);

 private:
  std::unique_ptr<launch::Sandbox> sandbox_;
  UniqueFd executable_;
};

// Likewise a program of ours that reads what a build reads.
Result<launch::Facts> run_tool(launch::Host& host, launch::Plan plan, int executable, const BuildCommand& command,
                               int cancel_fd, Bytes capture = kCapturedMessages);

// For our own builds, which no submission can fail: the status and the first words.
std::string describe_end(const launch::Facts& facts);

// A build that did not end with exit code 0: which limit, if any, and the messages. Pure.
// `submitted` as read_compiler_messages.
BuildFailure read_failure(const launch::Facts& facts, const Limits& limits, const SubmittedFiles* submitted = nullptr);

}  // namespace sandbox_run::go_build
