// RuleSet: what a rules file asks for: where hooks go, what they do there, and when. Format: docs/rules.v1.schema.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sandbox_run::hooks {

struct Position {
  std::string file;
  int line = 0;  // 1-based
  int column = 0;
};
// "rules.yaml:4:7"
std::string text_of(const Position& position);

// Where a rule's hooks go: a pattern, or several combined.
struct JoinPoint {
  enum class Kind {
    function,
    package,
    module,
    receiver,
    signature,
    call,
    literal,
    directive,
    all_of,
    any_of,
    negation
  };
  Kind kind = Kind::function;
  std::string pattern;               // function, package, module, receiver, call, literal, directive
  std::string in;                    // call, literal: the function around it; empty: any
  std::vector<std::string> has;      // signature: parameter types
  std::vector<std::string> returns;  // signature: result types
  std::vector<JoinPoint> parts;      // all_of, any_of; negation has one
};

struct Advice {
  enum class Kind { record, count, abort, replace };
  Kind kind = Kind::record;
  std::vector<std::string> arguments;  // record, abort: names, "#0", "recv", "*"
  std::vector<std::string> results;    // record: names, "#0", "*"
  bool duration = false;
  bool stack = false;
  std::string error;                     // abort: the text of the error returned
  std::vector<std::string> expressions;  // abort: Go expressions to return; empty: `error`
  std::string with;                      // replace: "import/path.Func"
};

struct Condition {
  enum class Kind { all_of, any_of, negation, number, text, set, regexp, nil, rate };
  enum class Order { equal, less, at_most, greater, at_least };
  enum class Match { equal, prefix, suffix, contains };
  Kind kind = Kind::all_of;
  std::vector<Condition> parts;     // all_of, any_of; negation has one
  std::string argument;             // all but the combinations and rate
  Order order = Order::equal;       // number
  bool length = false;              // number: of the argument's length, not of the argument
  bool floating = false;            // number: `real` counts, else `integer`
  std::int64_t integer = 0;         // number; rate: events a second
  double real = 0;                  // number
  Match match = Match::equal;       // text
  std::vector<std::string> values;  // text, regexp: one; set: all of them
};

// What leaves the process in masked form only.
struct Scrub {
  std::uint32_t builtin = 0;           // kScrubCards | …
  std::vector<std::string> patterns;   // regexps
  std::vector<std::string> arguments;  // masked whole
};

// The system calls that an open frame of the rule explains.
struct Explains {
  std::vector<std::string> calls;
  std::vector<int> numbers;       // of `calls`
  std::vector<std::string> path;  // the arguments that hold the path the call must name: the first that a site has
  bool always = true;             // a frame that ends with a nil error has made one of the calls
};

struct Rule {
  std::uint32_t index = 0;
  std::string name;  // "open-files"; of a shipped set: "std:files/open"
  Position position;
  JoinPoint at;
  Advice advice;
  std::vector<std::string> inputs;  // condition arguments in the order of the condition program, then recorded ones
  std::optional<Condition> when;
  bool active = true;
  std::uint32_t sample = 0;      // one call in so many; 0 and 1: every one
  std::uint32_t per_second = 0;  // most events a second; 0: any number
  std::uint64_t limit = 0;       // most events of a run; 0: any number
  std::uint32_t capture = 0;     // most bytes of each text
  Scrub scrub;
  std::optional<Explains> explains;

  // Records every call of what it hooks while it is active: a system call without its frame is worth a word.
  bool sees_every_call() const { return !when && sample <= 1 && per_second == 0 && limit == 0; }
};

struct RuleSet {
  std::string file;
  std::vector<std::string> sets;  // shipped sets in use
  std::vector<Rule> rules;        // index i is rules[i]
  std::string arena;              // the control page's bytes for it: made when it is parsed, so that bounds are known

  const Rule* find(std::string_view name) const;
};

// `file` names the text in errors. Fails with: Fault::input and "FILE:LINE:COLUMN: what is wrong and what to do".
Result<RuleSet> parse_rules(std::string_view text, const std::string& file);
// Of a file with at most kMaxRulesText bytes.
Result<RuleSet> load_rules(const std::string& path);
constexpr std::uint64_t kMaxRulesText = 1 << 20;

// What a command line names: a file, or shipped sets with commas between them ("std:files,std:net").
// Fails with: as load_rules, naming the sets there are where `word` looks like one.
Result<RuleSet> rules_named(const std::string& word);

// rules.json for the rewriter.
std::string to_json(const RuleSet& rules);

// The numbers of the system calls that rules explain: what has to be witnessed. Sorted, each once.
std::vector<int> explained_calls(const RuleSet& rules);

// `wanted` with the inputs numbered as `built` has them, so that the hooks in the binary can evaluate it.
// Fails with: Fault::input where it asks for anything else than other conditions, flags, sampling, limits, captures and
// scrubbing of the rules that were built in.
Result<RuleSet> for_reload(const RuleSet& built, RuleSet wanted);

// Shipped sets, for `use:` and for documentation.
std::vector<std::string> set_names();
std::optional<std::string_view> set_text(std::string_view name);

}  // namespace sandbox_run::hooks
