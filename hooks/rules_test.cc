#include "hooks/rules.h"

#include <gmock/gmock.h>
#include <sys/syscall.h>

#include <bit>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <variant>

#include "base/testing.h"
#include "hooks/layout.h"
#include "hooks/regexp.h"
#include "hooks/trace.h"

namespace sandbox_run::hooks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// A rules file with one rule: `keys` are its lines after the name, from line 4 on.
std::string one_rule(const std::string& keys) {
  std::string text = "version: 1\nrules:\n  - name: r\n";
  std::string line;
  for (char c : keys + "\n") {
    if (c == '\n') {
      text += "    " + line + "\n";
      line.clear();
    } else {
      line += c;
    }
  }
  return text;
}

std::string error_of(const std::string& text) {
  auto rules = parse_rules(text, "rules.yaml");
  return rules ? "no error" : rules.error().what;
}

TEST(Rules, AWholeFileIsRead) {
  ASSERT_OK_AND_ASSIGN(RuleSet rules, parse_rules(R"(
version: 1
use: [std:files]
rules:
  - name: open-files
    at: os.OpenFile
    do: {record: {arguments: [name, "#1"], results: [err], duration: true}}
    when:
      all-of:
        - {argument: name, prefix: /etc/}
        - rate: 100/s
        - not: {argument: perm, is: 0o600}
    active: false
    sample: 10
    limit: [1000/s, 5000]
    capture: 100
    scrub: {builtin: [cards], patterns: ['secret=\w+'], arguments: [flag]}
    explains: [openat]
  - name: no-exec
    at: {all-of: [{package: main}, {not: {function: main.main}}]}
    do: {abort: not here}
  - name: swap
    at: {call: time.Now, in: "main.*"}
    do: {replace: {with: example.com/fake.Now}}
)",
                                                  "rules.yaml"));
  EXPECT_THAT(rules.sets, ElementsAre("std:files"));
  const Rule* open = rules.find("open-files");
  ASSERT_NE(open, nullptr);
  EXPECT_EQ(text_of(open->position), "rules.yaml:5:5");
  EXPECT_EQ(open->at.pattern, "os.OpenFile");
  EXPECT_THAT(open->inputs, ElementsAre("name", "perm", "#1", "flag"));
  EXPECT_FALSE(open->active);
  EXPECT_FALSE(open->sees_every_call());
  EXPECT_EQ(open->sample, 10u);
  EXPECT_EQ(open->per_second, 1000u);
  EXPECT_EQ(open->limit, 5000u);
  EXPECT_EQ(open->capture, 100u);
  EXPECT_EQ(open->scrub.builtin, kScrubCards);
  ASSERT_TRUE(open->explains);
  EXPECT_THAT(open->explains->numbers, ElementsAre(SYS_openat));
  EXPECT_THAT(open->explains->path, ElementsAre("name"));
  ASSERT_TRUE(open->when);
  EXPECT_EQ(open->when->parts.back().kind, Condition::Kind::rate) << "asked last, so that it takes no token in vain";
  EXPECT_EQ(rules.find("swap")->advice.with, "example.com/fake.Now");
  EXPECT_EQ(rules.find("no-exec")->advice.error, "not here");
  EXPECT_THAT(explained_calls(rules), testing::Contains(SYS_openat));
  for (std::size_t i = 0; i < rules.rules.size(); ++i) EXPECT_EQ(rules.rules[i].index, i);
}

TEST(Rules, EveryMistakeIsNamedWithItsPlace) {
  const std::string ok = "at: os.OpenFile\ndo: record";
  const std::pair<std::string, std::string> cases[] = {
      {"", "rules.yaml:1:1: the file is empty"},
      {"rules: []\n", "rules.yaml:1:1: the version is missing"},
      {"version: 2\n", "rules.yaml:1:10: version '2'"},
      {"version: 1\n", "there is no rule in it"},
      {"version: 1\nrulez: []\n", "rules.yaml:2:1: a rules file has no key 'rulez'; did you mean 'rules'?"},
      {"version: 1\nversion: 1\n", "rules.yaml:2:1: 'version' stands here twice"},
      {"version: 1\nrules: {}\n", "rules.yaml:2:8: rules has to be a list"},
      {"version: 1\nrules: [\n", "rules.yaml:"},
      {"version: 1\n---\nversion: 1\n", "a second document"},
      {"version: 1\nrules: &a [*a]\n", "anchors are not used"},
      {"version: 1\nuse: [std:fles]\n", "rules.yaml:2:7: there is no set 'std:fles'; did you mean 'std:files'?"},
      {"version: 1\nuse: [std:files, std:files]\n", "used twice"},
      {"version: 1\nrules:\n  - at: x\n    do: count\n", "rules.yaml:3:5: a rule needs a name"},
      {"version: 1\nrules:\n  - name: a b\n    at: x\n    do: count\n", "rules.yaml:3:11: 'a b' is no name"},
      {one_rule("do: count"), "does not say where"},
      {one_rule("at: os.Open"), "does not say what to do"},
      {one_rule("at: os.Open\ndo: recrd"), "rules.yaml:5:9: 'recrd' is no advice by itself; did you mean 'record'?"},
      {one_rule("at: os.Open\ndo: {record: {}, abort: x}"), "a rule does one thing"},
      {one_rule("at: os.Open\ndo: {count: true}"), "without more"},
      {one_rule("at: os.Open\ndo: {replace: {with: os.Open}}"), "replace needs calls"},
      {one_rule("at: {call: os.Open}\ndo: {replace: nothing}"), "names no function"},
      {one_rule("at: {call: os.Open}\ndo: {abort: x}"), "abort makes a function return"},
      {one_rule("at: {call: os.Open}\ndo: {record: {duration: true}}"), "has no duration"},
      {one_rule("at: os.Open\ndo: {abort: {error: x, results: [nil]}}"), "one of the two"},
      {one_rule("at: {function: a, package: b}\ndo: count"), "rules.yaml:4:32: a join point is of one kind"},
      {one_rule("at: {functoin: a}\ndo: count"), "did you mean 'function'?"},
      {one_rule("at: {function: a, in: b}\ndo: count"), "'in' goes with 'call'"},
      {one_rule("at: {not: {function: a}}\ndo: count"), "only what it is not"},
      {one_rule("at: {any-of: [{function: a}, {call: b}]}\ndo: count"), "functions, calls and literals at once"},
      {one_rule("at: {all-of: []}\ndo: count"), "at least one in it"},
      {one_rule("at: {signature: {}}\ndo: count"), "'has' or 'returns'"},
      {one_rule(ok + "\nwhen: {argument: name}"), "what about 'name'?"},
      {one_rule(ok + "\nwhen: {prefix: a}"), "of which argument?"},
      {one_rule(ok + "\nwhen: {argument: 'a b', is: 1}"), "names no parameter"},
      {one_rule(ok + "\nwhen: {argument: name, prefx: a}"),
       "rules.yaml:6:28: a condition has no key 'prefx'; did you mean 'prefix'?"},
      {one_rule(ok + "\nwhen: {argument: name, matches: '(a'}"), "rules.yaml:6:37: regular expression '(a': at byte 2"},
      {one_rule(ok + "\nwhen: {argument: name, matches: '(?:a|b)*a(?:a|b){14}'}"),
       "rules.yaml:6:37: regular expression"},
      {one_rule(ok + "\nwhen: {argument: n, less: many}"), "a number is needed"},
      {one_rule(ok + "\nwhen: {argument: n, is: 0644}"), "write 0o644"},
      {one_rule(ok + "\nwhen: {argument: n, in: [a, 1]}"), "texts and numbers"},
      {one_rule(ok + "\nwhen: {argument: n, in: []}"), "at least one value"},
      {one_rule(ok + "\nwhen: {argument: n, prefix: ''}"), "every text has an empty prefix"},
      {one_rule(ok + "\nwhen: {argument: n, length: {greater: 1.5}}"), "whole number"},
      {one_rule(ok + "\nwhen: {any-of: [{rate: 1/s}]}"), "a rate stands at the top"},
      {one_rule(ok + "\nwhen: [{rate: 1/s}, {rate: 2/s}]"), "a rate stands at the top"},
      {one_rule(ok + "\nwhen: {rate: fast}"), "1000/s"},
      {one_rule(ok + "\nactive: yes"), "true or false"},
      {one_rule(ok + "\nsample: 0"), "from 1 to"},
      {one_rule(ok + "\nlimit: -5"), "from 1 to"},
      {one_rule(ok + "\nlimit: 5/m"), "from 1 to"},
      {one_rule(ok + "\ncapture: 161"), "from 1 to 160"},
      {one_rule(ok + "\nscrub: [card]"), "did you mean 'cards'?"},
      {one_rule(ok + "\nscrub: {patterns: ['[']}"), "without its ']'"},
      {one_rule(ok + "\nexplains: [opnat]"),
       "rules.yaml:6:16: 'opnat' is no system call that can be witnessed; did you mean 'openat'?"},
      {one_rule("at: os.Open\ndo: count\nexplains: [openat]"), "only a call whose end is seen"},
      {one_rule("at: os.Open\ndo: {record: {arguments: [name]}}\nexplains: [openat]"), "only a call whose end is seen"},
      {one_rule("at: os.Open\ndo: {record: {duration: true}}\nexplains: {calls: [openat], path: [name]}"),
       "does not record"},
      {"version: 1\nrules:\n- {name: a, at: x, do: count}\n- {name: a, at: y, do: count}\n",
       "rules.yaml:4:3: there is a rule a already, at rules.yaml:3:3"},
      {"version: 1\nrules:\n- {name: a, at: x, do: {abort: e}}\n- {name: b, at: x, do: {abort: f}}\n",
       "rules.yaml:4:3: rule b and rule a (rules.yaml:3:3) both decide"},
      {"version: 1\nrules:\n- {name: a, at: {call: x}, do: {replace: p.F}}\n- {name: b, at: {call: x}, do: {replace: "
       "p.G}}\n",
       "both decide what happens at the same place"},
      {std::string("version: 1\n\0", 12), "NUL"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(error_of(text), HasSubstr(message)) << text;
    EXPECT_THAT(error_of(text), testing::MatchesRegex("rules\\.yaml:[0-9]+:[0-9]+: .*")) << text;
  }
  EXPECT_THAT(error_of(one_rule(ok)), "no error") << "the control: what the cases begin with is right";
}

TEST(Rules, AbortsWithConditionsMayShareAFunction) {
  EXPECT_EQ(error_of("version: 1\nrules:\n"
                     "- {name: a, at: x, do: {abort: e}, when: {argument: n, is: 1}}\n"
                     "- {name: b, at: x, do: {abort: f}, when: {argument: n, is: 2}}\n"),
            "no error");
}

TEST(Rules, WhatDoesNotFitIsRefusedWithTheRuleThatNoLongerDoes) {
  std::string text = "version: 1\nrules:\n";
  for (int i = 0; i < 12; ++i)
    text += "- {name: r" + std::to_string(i) + ", at: f" + std::to_string(i) +
            ", do: count, when: {argument: a, matches: '(?i)(password" + std::to_string(i) +
            "|secret|token)=[^ ]{8,64}'}}\n";
  EXPECT_THAT(error_of(text), HasSubstr("conditions need"));
  std::string many = "version: 1\nrules:\n";
  for (int i = 0; i < 1025; ++i) many += "- {name: r" + std::to_string(i) + ", at: f, do: count}\n";
  EXPECT_THAT(error_of(many), HasSubstr("1025 rules; 1024 are the most"));
}

// ── conditions, evaluated as layout.h says ───────────────────────────────────────────────────────────────────────────

struct Nil {};
using Input = std::variant<std::monostate, std::int64_t, double, std::string, Nil>;

bool test_input(const std::string& arena, const Instruction& step, const Input& input) {
  auto text_at = [&](std::uint32_t offset, std::uint64_t length) {
    return std::string_view(arena).substr(offset, length);
  };
  if (step.operation >= Operation::equal && step.operation <= Operation::at_least) {
    double left = 0, right = static_cast<double>(static_cast<std::int64_t>(step.b));
    if (step.a == 1) right = std::bit_cast<double>(step.b);
    if (auto text = std::get_if<std::string>(&input); text && step.a == 2) {
      left = static_cast<double>(text->size());
    } else if (auto whole = std::get_if<std::int64_t>(&input); whole && step.a != 2) {
      left = static_cast<double>(*whole);
    } else if (auto real = std::get_if<double>(&input); real && step.a != 2) {
      left = *real;
    } else {
      return false;
    }
    switch (step.operation) {
      case Operation::equal:
        return left == right;
      case Operation::less:
        return left < right;
      case Operation::at_most:
        return left <= right;
      case Operation::greater:
        return left > right;
      default:
        return left >= right;
    }
  }
  if (step.operation == Operation::nil) return std::holds_alternative<Nil>(input);
  if (step.operation == Operation::not_nil) return !std::holds_alternative<Nil>(input) && input.index() != 0;
  auto text = std::get_if<std::string>(&input);
  if (!text) return false;
  switch (step.operation) {
    case Operation::text_equal:
      return *text == text_at(step.a, step.b);
    case Operation::prefix:
      return text->starts_with(text_at(step.a, step.b));
    case Operation::suffix:
      return text->ends_with(text_at(step.a, step.b));
    case Operation::contains:
      return text->find(text_at(step.a, step.b)) != std::string::npos;
    case Operation::set:
      for (std::uint64_t i = 0; i < step.b; ++i) {
        std::uint32_t pair[2];
        std::memcpy(pair, arena.data() + step.a + i * sizeof pair, sizeof pair);
        if (*text == text_at(pair[0], pair[1])) return true;
      }
      return false;
    case Operation::regexp:
      return dfa_matches(std::string_view(arena).substr(step.a), *text);
    default:
      ADD_FAILURE() << "operation " << static_cast<int>(step.operation);
      return false;
  }
}

bool holds(const std::string& when, const std::map<std::string, Input>& inputs) {
  auto rules = parse_rules(one_rule("at: f\ndo: count\nwhen: " + when), "rules.yaml");
  EXPECT_TRUE(rules) << rules.error().what;
  if (!rules) return false;
  RuleRecord record;
  std::memcpy(&record, rules->arena.data(), sizeof record);
  std::vector<bool> stack;
  for (std::uint32_t i = 0; i < record.condition_count; ++i) {
    Instruction step;
    std::memcpy(&step, rules->arena.data() + record.condition + i * sizeof step, sizeof step);
    if (step.operation == Operation::all || step.operation == Operation::any) {
      bool top = stack.back();
      stack.pop_back();
      stack.back() = step.operation == Operation::all ? stack.back() && top : stack.back() || top;
    } else if (step.operation == Operation::negate) {
      stack.back() = !stack.back();
    } else if (step.operation == Operation::rate) {
      stack.push_back(true);
    } else {
      auto input = inputs.find(rules->rules[0].inputs[step.input]);
      stack.push_back(input != inputs.end() && test_input(rules->arena, step, input->second));
    }
  }
  EXPECT_EQ(stack.size(), 1u) << when;
  return stack.size() == 1 && stack[0];
}

TEST(Conditions, HoldAsTheyRead) {
  const std::map<std::string, Input> inputs = {
      {"name", "/etc/passwd"}, {"flag", std::int64_t{0}},     {"perm", std::int64_t{0644}}, {"x", 1.5},
      {"err", Nil{}},          {"d", std::int64_t{2'000'000}}};
  const char* hold[] = {
      "{argument: name, is: /etc/passwd}",
      "{argument: name, is-not: /etc/shadow}",
      "{argument: name, prefix: /etc/, suffix: wd}",
      "{argument: name, contains: pass}",
      "{argument: name, in: [/etc/shadow, /etc/passwd]}",
      "{argument: name, matches: '^/etc/(passwd|shadow)$'}",
      "{argument: name, length: 11}",
      "{argument: name, length: {greater: 10, less: 12}}",
      "{argument: flag, is: 0}",
      "{argument: flag, is: false}",
      "{argument: perm, in: [0o600, 0o644]}",
      "{argument: perm, at-most: 0x1a4}",
      "{argument: x, greater: 1.25}",
      "{argument: x, at-least: 1.5, less: 2}",
      "{argument: d, is-not: 3, at-most: 2ms}",
      "{argument: err, nil: true}",
      "{argument: name, nil: false}",
      "{any-of: [{argument: name, is: x}, {argument: flag, is: 0}]}",
      "{all-of: [{argument: name, prefix: /}, {not: {argument: flag, is: 1}}]}",
      "[{argument: name, prefix: /}, {rate: 5/s}]",
      "{not: {any-of: [{argument: name, is: x}, {argument: flag, is: 1}]}}",
  };
  for (const char* when : hold) EXPECT_TRUE(holds(when, inputs)) << when;
  const char* fail[] = {
      "{argument: name, is: /etc}",
      "{argument: name, is-not: /etc/passwd}",
      "{argument: name, prefix: /etc/, suffix: x}",
      "{argument: name, matches: '^passwd'}",
      "{argument: absent, is: 1}",
      "{argument: absent, nil: false}",
      "{argument: flag, is: '0'}",  // in quotes it is a text
      "{argument: name, length: {greater: 11}}",
      "{argument: err, nil: false}",
      "{all-of: [{argument: name, prefix: /}, {argument: flag, is: 1}]}",
  };
  for (const char* when : fail) EXPECT_FALSE(holds(when, inputs)) << when;
}

// ── rules.json ───────────────────────────────────────────────────────────────────────────────────────────────────────

TEST(RulesJson, SaysWhatTheRewriterNeeds) {
  ASSERT_OK_AND_ASSIGN(
      RuleSet rules, parse_rules(one_rule("at: {all-of: [{function: 'net/http.*'}, {signature: {returns: [error]}}]}\n"
                                          "do: {record: {arguments: [name, '*'], results: [err], stack: true}}\n"
                                          "when: {argument: flag, is: 1}\nscrub: {arguments: [password]}"),
                                 "rules.yaml"));
  auto json = nlohmann::json::parse(to_json(rules));
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["file"], "rules.yaml");
  const auto& rule = json["rules"][0];
  EXPECT_EQ(rule["at"].dump(), R"({"all_of":[{"function":"net/http.*"},{"signature":{"returns":["error"]}}]})");
  EXPECT_EQ(rule["inputs"].dump(), R"(["flag","name","password","*"])");
  EXPECT_EQ(rule["advice"]["kind"], "record");
  EXPECT_EQ(rule["advice"]["stack"], true);
  EXPECT_EQ(rule["advice"]["duration"], false);
  EXPECT_EQ(rule["line"], 3);
  EXPECT_EQ(rule["hash"].get<std::string>().size(), 16u);
}

TEST(RulesJson, TheHashChangesWithWhatIsBuiltInAndWithNothingElse) {
  auto hash = [](const std::string& text) {
    auto rules = parse_rules(text, "rules.yaml");
    EXPECT_TRUE(rules) << rules.error().what;
    return nlohmann::json::parse(to_json(*rules))["rules"][0]["hash"].get<std::string>();
  };
  const std::string base = hash(one_rule("at: f\ndo: record\nwhen: {argument: a, is: 1}"));
  EXPECT_EQ(base, hash("\n\n" + one_rule("at: f\ndo: record\nwhen: {argument: a, is: 2}\nsample: 3")));
  EXPECT_NE(base, hash(one_rule("at: g\ndo: record\nwhen: {argument: a, is: 1}")));
  EXPECT_NE(base, hash(one_rule("at: f\ndo: count\nwhen: {argument: a, is: 1}")));
  EXPECT_NE(base, hash(one_rule("at: f\ndo: record\nwhen: {argument: b, is: 1}")));
}

// ── reload ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TEST(Reload, TakesConditionsAndRefusesWhatIsNotBuiltIn) {
  auto parse = [](const std::string& keys) {
    auto rules = parse_rules(one_rule(keys), "new.yaml");
    EXPECT_TRUE(rules) << rules.error().what;
    return *rules;
  };
  const RuleSet built = parse("at: f\ndo: {record: {arguments: [b]}}\nwhen: {argument: a, is: 1}");
  ASSERT_OK_AND_ASSIGN(
      RuleSet now,
      for_reload(built, parse("at: f\ndo: {record: {arguments: [b]}}\nwhen: {argument: b, prefix: x}\nlimit: 5")));
  EXPECT_THAT(now.rules[0].inputs, ElementsAre("a", "b")) << "the numbering of the hooks in the binary";
  RuleRecord record;
  std::memcpy(&record, now.arena.data(), sizeof record);
  Instruction step;
  std::memcpy(&step, now.arena.data() + record.condition, sizeof step);
  EXPECT_EQ(step.operation, Operation::prefix);
  EXPECT_EQ(step.input, 1);
  EXPECT_EQ(record.limit, 5u);

  auto refusal = [&](RuleSet wanted) {
    auto result = for_reload(built, std::move(wanted));
    return result ? "no error" : result.error().what;
  };
  EXPECT_THAT(refusal(parse("at: g\ndo: {record: {arguments: [b]}}")), HasSubstr("add it to the rules and rebuild"));
  EXPECT_THAT(refusal(parse("at: f\ndo: count")), HasSubstr("add it to the rules and rebuild"));
  EXPECT_THAT(refusal(parse("at: f\ndo: {record: {arguments: [b]}}\nwhen: {argument: c, is: 1}")),
              HasSubstr("do not read 'c': add it to the rules and rebuild"));
  auto other = parse_rules("version: 1\nrules: [{name: other, at: f, do: count}]", "new.yaml");
  EXPECT_THAT(refusal(*other), StartsWith("new.yaml:2:9: no hook of rule other is in the program: add it"));
}

// ── sets ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

TEST(Sets, AllSevenAreThereAndCanBeUsedTogether) {
  EXPECT_THAT(set_names(), testing::UnorderedElementsAre("app:all", "go:panics", "std:exec", "std:files", "std:http",
                                                         "std:net", "std:sql"));
  std::string all = "version: 1\nuse:\n";
  for (const std::string& name : set_names()) {
    EXPECT_EQ(error_of("version: 1\nuse: [" + name + "]\n"), "no error");
    all += "  - {set: " + name + ", active: false}\n";
  }
  ASSERT_OK_AND_ASSIGN(RuleSet rules, parse_rules(all, "rules.yaml"));
  for (const Rule& rule : rules.rules) {
    EXPECT_FALSE(rule.active) << rule.name;
    EXPECT_THAT(rule.name, StartsWith(rule.position.file + "/"));
  }
}

}  // namespace
}  // namespace sandbox_run::hooks
