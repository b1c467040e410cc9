#include "hooks/regexp.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "base/files.h"
#include "base/testing.h"
#include "hooks/layout.h"

namespace sandbox_run::hooks {
namespace {

using testing::HasSubstr;

struct Case {
  const char* pattern;
  const char* text;
  bool matches;
};

// Answers are those of Go's regexp package.
const Case kCases[] = {
    {"", "", true},
    {"", "anything", true},
    {"abc", "xxabcxx", true},
    {"abc", "xxabxcx", false},
    {"^abc", "abcd", true},
    {"^abc", "xabc", false},
    {"abc$", "xabc", true},
    {"abc$", "abcx", false},
    {"abc$", "abc\n", false},
    {"^$", "", true},
    {"^$", "x", false},
    {"\\Aabc\\z", "abc", true},
    {"a.c", "abc", true},
    {"a.c", "a\nc", false},
    {"(?s)a.c", "a\nc", true},
    {"(?s:a.)c.d", "a\nc\nd", false},
    {"^.$", "ä", true},
    {"^..$", "ä", false},
    {"^.$", "\xc3", false},     // an ill-formed byte is no character
    {"b", "\xff\xfe b", true},  // and a search goes on after it
    {"^[ä-ü]+$", "äöü", true},
    {"^[ä-ü]+$", "äaü", false},
    {"^[^a]$", "\U0001F600", true},
    {"\\x{1F600}", "x\U0001F600y", true},
    {"[a-c]x", "cx", true},
    {"[^a-c]x", "cx", false},
    {"[]a]", "]", true},
    {"[^]a]", "]", false},
    {"[a-]", "-", true},
    {"[\\d-z]", "-", true},
    {"^\\d+$", "0123", true},
    {"^\\d+$", "٣", false},
    {"^\\w+$", "az_09", true},
    {"^\\W$", "-", true},
    {"^[[:alpha:]]+$", "abC", true},
    {"^[[:^alpha:]]+$", "123", true},
    {"^[[:word:]\\s]+$", "a b_", true},
    {"a|b|c", "xxc", true},
    {"^(a|b|c)$", "d", false},
    {"^(?:ab)*$", "ababab", true},
    {"^(?:ab)*$", "ababa", false},
    {"^a{3}$", "aaa", true},
    {"^a{3}$", "aaaa", false},
    {"^a{2,3}$", "a", false},
    {"^a{2,}$", "aaaaa", true},
    {"^a{,2}$", "a{,2}", true},
    {"^a{0}$", "", true},
    {"a{", "a{", true},
    {"^(?:a?){20}a{20}$", "aaaaaaaaaaaaaaaaaaaa", true},
    {"^a+?b*?c??$", "aabb", true},
    {"(?i)strasse", "STRAsSE", true},
    {"(?i)^k$", "\u212a", true},
    {"(?i)^s$", "\u017f", true},
    {"(?i)^[^s]$", "S", false},
    {"^(?i:a)b$", "Ab", true},
    {"^(?i:a)b$", "AB", false},
    {"(?i)a(?-i)b", "AB", false},
    {"(?P<name>x+)y", "xxy", true},
    {"(?<name>x+)y", "xxy", true},
    {"\\bfoo\\b", "a foo b", true},
    {"\\bfoo\\b", "afoo", false},
    {"\\bfoo\\b", "foo", true},
    {"foo\\B", "food", true},
    {"foo\\B", "foo", false},
    {"\\b", "", false},
    {"\\B", "", true},
    {"\\B", "céc", false},  // between the bytes of a character there is no place
    {"\\B", "cééc", true},
    {"\\b^x", "x", true},
    {"x$\\b", "x", true},
    {"\\Qa.b\\E+", "a.bbb", true},
    {"\\Qa.b", "axb", false},
    {"\\.go$", "main.go", true},
    {"\\x41\\101\\t", "AA\t", true},
    {"^/etc/(passwd|shadow|group)$", "/etc/shadow", true},
    {"^/etc/(passwd|shadow|group)$", "/etc/shadow2", false},
    {"^a", "b", false},
    {"^a", "ba", false},
    {"(?:)", "x", true},
    {"a||b", "", true},
    {"[^\\x00-\\x{10FFFF}]", "a", false},
    {"[\\x{d700}-\\x{e000}]", "\ue000", true},
};

TEST(Regexp, AnswersAsGoDoes) {
  for (const Case& one : kCases) {
    auto dfa = compile_regexp(one.pattern);
    ASSERT_TRUE(dfa) << one.pattern << ": " << dfa.error().what;
    EXPECT_EQ(dfa_matches(*dfa, one.text), one.matches) << one.pattern << " on " << one.text;
  }
}

TEST(Regexp, WhatIsNotTakenIsRefusedWithAReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"a**", "repetition of a repetition"},
      {"*a", "nothing here to repeat"},
      {"(a", "without its ')'"},
      {"a)", "without its '('"},
      {"[a", "without its ']'"},
      {"[b-a]", "wrong order"},
      {"a{3,2}", "wrong order"},
      {"a{1001}", "more than 1000"},
      {"(?=a)", "look-around"},
      {"(?<!a)", "look-around"},
      {"(a)\\1", "backreferences"},
      {"\\pL", "Unicode classes"},
      {"(?m)^a", "flag m"},
      {"(?x)a", "not known"},
      {"(?i)Ä", "ASCII letters only"},
      {"\\q", "no escape"},
      {"\\", "backslash at the end"},
      {"[[:nope:]]", "no class"},
      {"\xff", "no UTF-8"},
      {"\\x{110000}", "U+10FFFF"},
      {"(?:(?:(?:a{100}){100}){100})", "states"},
      {"(?:a|b)*a(?:a|b){14}", "simpler"},
  };
  for (auto [pattern, why] : cases) {
    auto dfa = compile_regexp(pattern);
    ASSERT_FALSE(dfa) << pattern;
    EXPECT_THAT(dfa.error().what, HasSubstr(why)) << pattern;
    EXPECT_EQ(dfa.error().fault, Fault::input);
  }
  EXPECT_FALSE(compile_regexp(std::string(5000, 'a')));
  EXPECT_FALSE(compile_regexp(std::string(2000, '(') + std::string(2000, ')')));
}

TEST(Regexp, ATableStaysInItsBoundsOrIsRefused) {
  for (const char* pattern :
       {"(?:a|b)*a(?:a|b){5}", "a{1000}", "[a-z]{50}\\d{50}", "(?:ab?){100}", "\\b\\w{1,64}\\b@"}) {
    ASSERT_OK_AND_ASSIGN(std::string dfa, compile_regexp(pattern));
    DfaHeader header;
    std::memcpy(&header, dfa.data(), sizeof header);
    EXPECT_EQ(header.size, dfa.size()) << pattern;
    EXPECT_LE(header.states, kMaxDfaStates) << pattern;
    EXPECT_LE(header.size, kMaxDfaSize) << pattern;
  }
}

// A random pattern in the syntax that Python's re and RE2 share, with `$` spelled as Python's \Z.
std::string random_pattern(std::mt19937& random, int depth) {
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  static const char* kAtoms[] = {"a",   "b",      "c",   "ä",   ".", "[ab]", "[^a]", "\\w", "\\W",
                                 "\\d", "[a-cä]", "\\b", "\\B", "^", "$",    "_",    "é"};
  std::string text;
  for (int parts = 1 + pick(3); parts > 0; --parts) {
    std::string part;
    const bool group = depth > 0 && pick(3) == 0;
    if (group) {
      part = "(?:" + random_pattern(random, depth - 1);
      if (pick(2)) part += "|" + random_pattern(random, depth - 1);
      part += ")";
    } else {
      part = kAtoms[pick(static_cast<int>(std::size(kAtoms)))];
    }
    static const char* kRepeats[] = {"", "", "", "*", "+", "?", "{2}", "{1,3}", "*?"};
    const bool assertion = part == "^" || part == "$" || part == "\\b" || part == "\\B";
    text += part + (assertion ? "" : kRepeats[pick(static_cast<int>(std::size(kRepeats)))]);
  }
  return text;
}

// Each line of `cases` is pattern TAB text; each character of the answer is 1 where Python's re finds the pattern.
std::string answers_of_python(const std::string& cases) {
  std::string directory = testing::TempDir() + "regexp-XXXXXX";
  if (!::mkdtemp(directory.data())) return "";
  const std::string input = directory + "/cases", script = directory + "/search.py";
  EXPECT_OK(replace_file(input, cases));
  EXPECT_OK(replace_file(script,
                         "import re, sys\n"
                         "for line in open(sys.argv[1], encoding='utf-8'):\n"
                         "    pattern, text = line.rstrip('\\n').split('\\t')\n"
                         "    pattern = pattern.replace('$', '\\\\Z')\n"
                         "    sys.stdout.write('01'[re.search(pattern, text, re.ASCII) is not None])\n"));
  FILE* python = ::popen(("python3 " + script + " " + input).c_str(), "r");
  std::string answers;
  char buffer[4096];
  while (std::size_t got = std::fread(buffer, 1, sizeof buffer, python)) answers.append(buffer, got);
  EXPECT_EQ(::pclose(python), 0) << "python3 has to be there: it is what the tables are compared with";
  ::unlink(input.c_str());
  ::unlink(script.c_str());
  ::rmdir(directory.c_str());
  return answers;
}

TEST(Regexp, AgreesWithAnotherEngineOnRandomPatternsAndTexts) {
  std::mt19937 random(20240607);
  static const char* kLetters[] = {"a", "b", "c", "ä", "é", "_", "-", "1", " "};
  std::string cases, ours;
  std::vector<std::string> shown;
  int too_large = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string pattern = random_pattern(random, 2);
    auto dfa = compile_regexp(pattern);
    if (!dfa) {
      EXPECT_THAT(dfa.error().what, HasSubstr("its table would have more"));
      ++too_large;
      continue;
    }
    for (int j = 0; j < 6; ++j) {
      std::string text;
      for (auto length = 1 + random() % 7; length > 0; --length) text += kLetters[random() % std::size(kLetters)];
      shown.push_back(pattern + "\t" + text);
      cases += shown.back() + "\n";
      ours += dfa_matches(*dfa, text) ? '1' : '0';
    }
  }
  EXPECT_LT(too_large, 30) << "most of these patterns are small";
  const std::string theirs = answers_of_python(cases);
  ASSERT_EQ(theirs.size(), ours.size());
  EXPECT_THAT(ours, testing::AllOf(HasSubstr("0"), HasSubstr("1")));
  for (std::size_t i = 0; i < ours.size(); ++i) ASSERT_EQ(ours[i], theirs[i]) << shown[i];
}

}  // namespace
}  // namespace sandbox_run::hooks
