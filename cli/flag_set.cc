#include "cli/flag_set.h"

// A value is taken as it stands; by default cxxopts would cut "--env A=1,2" in two.
#define CXXOPTS_VECTOR_DELIMITER '\0'
// std::regex would make every start a third of a millisecond longer.
#define CXXOPTS_NO_REGEX
#include <fmt/format.h>

#include <algorithm>
#include <cxxopts.hpp>
#include <iterator>

namespace sandbox_run::cli {
namespace {

std::string command_of(const std::string& usage) { return usage.substr(0, usage.find(' ')); }

// Whether a word can be this flag: "--name", "--name=VALUE", or among letters behind one dash.
bool can_be(const std::string& word, const Flag& flag) {
  if (flag.name.size() == 1) return word.starts_with('-') && !word.starts_with("--");
  return word.starts_with("--") && word.compare(2, flag.name.size(), flag.name) == 0;
}

cxxopts::Options options_for(const std::string& usage, const std::string& summary, const std::vector<Flag>& flags) {
  cxxopts::Options options("sandbox-run " + command_of(usage), summary);
  options.custom_help(usage.substr(std::min(usage.size(), command_of(usage).size() + 1)));
  options.set_width(110);
  auto add = options.add_options();
  for (const Flag& flag : flags) {
    if (flag.value_name.empty())
      add(flag.name, flag.help, cxxopts::value<bool>());
    else
      add(flag.name, flag.help, cxxopts::value<std::vector<std::string>>(), flag.value_name);
  }
  add("h,help", "print this");
  return options;
}

}  // namespace

void FlagSet::add_switch(const std::string& name, const std::string& help, bool& target) {
  add({name, "", help, "", [&target](const std::string& value) -> Status {
         if (value != "true" && value != "false") return input_error("it is a switch and takes no value");
         target = value == "true";
         return {};
       }});
}

std::string FlagSet::help() const { return options_for(usage_, summary_, flags_).help(); }

Result<ParsedLine> FlagSet::parse(const std::vector<std::string>& line) const {
  ParsedLine parsed;
  auto separator = std::find(line.begin(), line.end(), "--");
  if (separator != line.end()) parsed.arguments.assign(separator + 1, line.end());
  if (!takes_arguments_ && !parsed.arguments.empty())
    return input_error(
        fmt::format("'{}' behind --: '{}' runs no program that could take it; leave it out, or use 'sandbox-run run'",
                    parsed.arguments.front(), command_of(usage_)));

  std::vector<const char*> argv = {"sandbox-run"};
  for (auto word = line.begin(); word != separator; ++word) argv.push_back(word->c_str());
  // cxxopts hears of those flags only that the line may name: telling it of all forty takes longer than all the rest.
  std::vector<Flag> named;
  std::copy_if(flags_.begin(), flags_.end(), std::back_inserter(named), [&](const Flag& flag) {
    return std::any_of(line.begin(), separator, [&](const std::string& word) { return can_be(word, flag); });
  });
  const std::string see = fmt::format("; see 'sandbox-run {} --help'", command_of(usage_));
  // cxxopts reports by exceptions; this is the one place that meets them.
  try {
    cxxopts::Options options = options_for(usage_, summary_, named);
    options.add_options()("operands", "", cxxopts::value<std::vector<std::string>>());
    options.parse_positional("operands");
    cxxopts::ParseResult result = options.parse(static_cast<int>(argv.size()), argv.data());
    for (const cxxopts::KeyValue& given : result.arguments()) {
      if (given.key() == "help") parsed.help = true;
      if (given.key() == "operands") parsed.operands.push_back(given.value());
      auto flag = std::find_if(flags_.begin(), flags_.end(), [&](const Flag& f) { return f.name == given.key(); });
      if (flag == flags_.end()) continue;
      Status status = flag->set(given.value());
      if (status) continue;
      std::string example =
          flag->example.empty() ? "" : fmt::format(" (for example --{} {})", flag->name, flag->example);
      return Error{status.error().fault, status.error().sys_errno,
                   fmt::format("--{}: {}{}", flag->name, status.error().what, example)};
    }
  } catch (const cxxopts::exceptions::exception& error) {
    return input_error(error.what() + see);
  }
  return parsed;
}

}  // namespace sandbox_run::cli
