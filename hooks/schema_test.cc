// docs/rules.v1.schema.json and the reader take the same files. The schema's judge is python3-jsonschema.
#include <gmock/gmock.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/testing.h"
#include "hooks/rules.h"
#include "hooks/yaml_tree.h"

namespace sandbox_run::hooks {
namespace {

// As YAML's core schema has it: a plain scalar may be a number or a boolean.
nlohmann::json json_of(const YamlNode& node) {
  nlohmann::json json;
  switch (node.kind) {
    case YamlNode::Kind::null:
      return json;
    case YamlNode::Kind::sequence:
      json = nlohmann::json::array();
      for (const YamlNode& item : node.items) json.push_back(json_of(item));
      return json;
    case YamlNode::Kind::mapping:
      json = nlohmann::json::object();
      for (const auto& [key, value] : node.entries) json[key.text] = json_of(value);
      return json;
    case YamlNode::Kind::scalar:
      break;
  }
  if (!node.plain) return node.text;
  if (node.text == "true" || node.text == "false") return node.text == "true";
  const char *begin = node.text.data(), *end = begin + node.text.size();
  std::int64_t whole = 0;
  if (auto [at, problem] = std::from_chars(begin, end, whole); problem == std::errc() && at == end) return whole;
  double real = 0;
  if (auto [at, problem] = std::from_chars(begin, end, real); problem == std::errc() && at == end) return real;
  return node.text;
}

// A character for each document: 1 where the schema takes it.
std::string judged_by_the_schema(const std::vector<std::string>& documents) {
  nlohmann::json all = nlohmann::json::array();
  for (const std::string& text : documents) {
    auto tree = parse_yaml(text, "f");
    EXPECT_TRUE(tree) << tree.error().what;
    all.push_back(tree ? json_of(*tree) : nlohmann::json());
  }
  std::string directory = testing::TempDir() + "schema-XXXXXX";
  if (!::mkdtemp(directory.data())) return "";
  const std::string input = directory + "/documents", script = directory + "/judge.py";
  EXPECT_OK(replace_file(input, all.dump()));
  EXPECT_OK(replace_file(script,
                         "import json, sys, jsonschema\n"
                         "schema = json.load(open(sys.argv[1]))\n"
                         "kind = jsonschema.validators.validator_for(schema)\n"
                         "kind.check_schema(schema)\n"
                         "for document in json.load(open(sys.argv[2])):\n"
                         "    sys.stdout.write('01'[kind(schema).is_valid(document)])\n"));
  const std::string schema = std::string(SANDBOX_RUN_SOURCE_DIR) + "/docs/rules.v1.schema.json";
  FILE* python = ::popen(("python3 " + script + " " + schema + " " + input).c_str(), "r");
  std::string answers;
  char buffer[256];
  while (std::size_t got = std::fread(buffer, 1, sizeof buffer, python)) answers.append(buffer, got);
  EXPECT_EQ(::pclose(python), 0) << "python3-jsonschema has to be there: it is the judge";
  ::unlink(input.c_str());
  ::unlink(script.c_str());
  ::rmdir(directory.c_str());
  return answers;
}

std::string with_rule(const std::string& keys) { return "version: 1\nrules:\n- {name: r, " + keys + "}\n"; }

TEST(Schema, TakesTheShippedSetsAndWhatTheReaderTakes) {
  std::vector<std::string> documents;
  for (const std::string& name : set_names()) documents.emplace_back(*set_text(name));
  for (const char* keys : {
           "at: os.Open, do: record",
           "at: {call: panic, in: 'main.*'}, do: count, limit: 5",
           "at: {all-of: [{package: main}, {not: {receiver: '*main.T'}}]}, do: {abort: no}",
           "at: {signature: {has: [context.Context], returns: [error]}}, do: {abort: {results: [nil]}}",
           "at: {module: 'example.com/x@v1.*'}, do: {record: {arguments: '*', results: [err], stack: true}}",
           "at: {directive: x}, do: {record: {duration: true}}, explains: {calls: [openat], always: false}",
           "at: {literal: http.Client}, do: record, sample: 3, limit: [10/s, 5], capture: 160",
           "at: {call: time.Now}, do: {replace: {with: a/b.F}}",
           "at: f, do: record, when: [{argument: a, is: 1, length: {less: 3}}, {rate: 5/s}]",
           "at: f, do: record, when: {any-of: [{argument: a, in: [x, y]}, {not: {argument: b, at-least: 0x1f}}]}",
           "at: f, do: record, when: {argument: a, greater: 250ms, nil: false, matches: '^x'}",
           "at: f, do: record, scrub: {builtin: [], patterns: [a+], arguments: [b]}, active: false",
       })
    documents.push_back(with_rule(keys));
  documents.push_back("version: 1\nuse: [std:net, {set: 'app:all', active: false, limit: 10/s}]\n");
  for (const std::string& text : documents) EXPECT_OK(parse_rules(text, "f"));
  EXPECT_EQ(judged_by_the_schema(documents), std::string(documents.size(), '1'));
}

TEST(Schema, RefusesWhatTheReaderRefuses) {
  std::vector<std::string> documents = {"rules: []\n", "version: 2\nuse: [std:net]\n", "version: 1\n",
                                        "version: 1\nuse: [std:nett]\n", "version: 1\nrulez: []\nuse: [std:net]\n"};
  for (const char* keys : {
           "at: os.Open",
           "do: record",
           "at: os.Open, do: recrd",
           "at: os.Open, do: {record: {}, abort: x}",
           "at: {function: a, package: b}, do: count",
           "at: {function: a, in: b}, do: count",
           "at: {all-of: []}, do: count",
           "at: f, do: {abort: {error: x, results: [nil]}}",
           "at: f, do: record, when: {argument: a}",
           "at: f, do: record, when: {prefix: a}",
           "at: f, do: record, when: {rate: fast}",
           "at: f, do: record, when: {argument: a, in: []}",
           "at: f, do: record, capture: 161",
           "at: f, do: record, sample: 0",
           "at: f, do: record, scrub: [card]",
           "at: f, do: record, explains: []",
           "at: f, do: record, active: maybe",
       })
    documents.push_back(with_rule(keys));
  for (const std::string& text : documents) EXPECT_FALSE(parse_rules(text, "f")) << text;
  EXPECT_EQ(judged_by_the_schema(documents), std::string(documents.size(), '0'));
}

}  // namespace
}  // namespace sandbox_run::hooks
