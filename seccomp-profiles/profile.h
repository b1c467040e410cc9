// Profile: what a program may ask of the kernel, as data with a reason per rule. Format: seccomp-profiles/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sandbox_run::seccomp_profiles {

// One comparison of one argument. `equal` and `within` hold on all 64 bits, whatever the kernel then truncates.
struct Condition {
  enum class Test {
    equal,      // argument == value
    not_equal,  // argument != value: narrows what is asked, and never a wall (an int argument has 2^32 twins)
    within,     // no bit of the argument outside `value`
  };
  unsigned argument = 0;  // 0 to 5
  std::uint64_t value = 0;
  Test test = Test::equal;

  bool holds(std::uint64_t argument_value) const;
  bool operator==(const Condition&) const = default;
};

struct Rule {
  enum class Answer { allow, quiet };  // everything without a rule is denied: it goes to the supervisor
  Answer answer = Answer::allow;
  std::string syscall;
  int number = -1;
  int error = 0;  // errno of a quiet refusal; 0: answered with success, and nothing is done
  // Any of these must hold (or-ed); within one, all must (and-ed). Empty: whatever the arguments.
  std::vector<std::vector<Condition>> alternatives;
  std::string condition_text;  // as written, for `profile show`
  std::string reason;
  int line = 0;
  std::string origin;  // the profile that holds the line: this one or one it includes
};

struct Profile {
  std::string name;
  std::string summary;
  bool exec_once = true;  // the first execve/execveat is the supervisor's; `allow execve` in the text lifts it
  std::vector<Rule> rules;
  std::string text;  // as written

  // Fails with: Fault::input and "NAME:LINE: what is wrong" on an unknown call, argument, constant or errno, a rule
  // that repeats or contradicts another, a rule without reason.
  static Result<Profile> parse(std::string_view text, const std::string& name);
  // A built-in (go-run, go-run-loopback, go-build, generic) or a file, if the name has a '/'.
  static Result<Profile> load(const std::string& name_or_path);
  static std::vector<std::string> builtin_names();
};

// The profile in which every call of these numbers that it allows goes to the listener instead, to be watched: the
// listener has to answer what the profile itself says (Plan::watched).
Profile handing_over(Profile profile, const std::vector<int>& numbers);

// The profile in which what it answers with success (fsync) is carried out: for a program that may write to files of
// the host's.
Profile syncing(Profile profile);

// The text behind an `include NAME` line and a built-in's name; nothing for a name that is not built in.
std::optional<std::string> builtin_text(std::string_view name);

}  // namespace sandbox_run::seccomp_profiles
