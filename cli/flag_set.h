// FlagSet: the flags of one command, each with the function that takes its value. Errors name the flag.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace sandbox_run::cli {

struct Flag {
  std::string name;        // without dashes
  std::string value_name;  // "SIZE"; empty: a switch, `set` gets "true"
  std::string help;        // what it does, its default at the end
  std::string example;     // a value that is accepted: "256MiB"
  std::function<Status(const std::string& value)> set;
};

struct ParsedLine {
  std::vector<std::string> operands;   // before "--"
  std::vector<std::string> arguments;  // after "--"
  bool help = false;
};

class FlagSet {
 public:
  // `usage`: "run [flags] SOURCE… [-- ARGS…]"; `summary`: a sentence or two.
  FlagSet(std::string usage, std::string summary) : usage_(std::move(usage)), summary_(std::move(summary)) {}

  void add(Flag flag) { flags_.push_back(std::move(flag)); }
  void add_switch(const std::string& name, const std::string& help, bool& target);
  // What stands behind "--" is a program's. Without this a word there is an error: nobody would ever see it.
  void take_arguments() { takes_arguments_ = true; }

  // Calls each given flag's `set` in the order of the line. Fails with: Fault::input, naming the flag, what is wrong
  // with its value and a value that would do; or the word behind "--" that has nowhere to go.
  Result<ParsedLine> parse(const std::vector<std::string>& line) const;

  std::string help() const;

 private:
  std::string usage_;
  std::string summary_;
  std::vector<Flag> flags_;
  bool takes_arguments_ = false;
};

}  // namespace sandbox_run::cli
