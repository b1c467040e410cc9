#include "ingest/names.h"

#include <gmock/gmock.h>

#include "base/testing.h"
#include "ingest/name_key.h"

namespace sandbox_run::ingest {
namespace {

using testing::HasSubstr;

const Limits kLimits;

std::string problem(const std::string& path, NameRules rules = NameRules::local) {
  const Status status = check_path(path, kLimits, rules);
  return status ? "" : status.error().what;
}

TEST(Names, OrdinaryOnesAreAccepted) {
  for (const char* path : {"main.go", "a/b/c.go", ".gitignore", "..a/b..", "a b.txt", "caf\u00e9.go",
                           "\u65e5\u672c\u8a9e.go", "x@y+z=w.go", "$(id).go", "\u2764\ufe0f.txt", "con/x.go", "com0"})
    EXPECT_EQ(problem(path), "") << path;
  for (const char* path : {"aux.go", "ab:c", "what?", "x.", "-o.go"}) {
    EXPECT_EQ(problem(path), "") << path;
    EXPECT_THAT(problem(path, NameRules::portable), HasSubstr("refused the name")) << path;
  }
}

TEST(Names, EveryReasonIsSaid) {
  const std::pair<std::string, const char*> cases[] = {{"", "empty"},
                                                       {"/a", "absolute"},
                                                       {"a//b", "component is empty"},
                                                       {"a/", "component is empty"},
                                                       {"a/./b", "'.'"},
                                                       {"a/../b", "'..'"},
                                                       {"..", "'..'"},
                                                       {"a\\b", "backslash"},
                                                       {"c:x", "drive letter"},
                                                       {"a\nb", "control character (U+000A)"},
                                                       {std::string("a\0b", 3), "U+0000"},
                                                       {"\x7f", "control"},
                                                       {"\u0085", "control"},
                                                       {"\xff", "UTF-8"},
                                                       {"\xc0\xaf", "UTF-8"},
                                                       {"\xed\xa0\x80", "UTF-8"},
                                                       {"\xf4\x90\x80\x80", "UTF-8"},
                                                       {"a\u200b", "invisible"},
                                                       {"\u202e", "direction"},
                                                       {"\ufeff", "invisible"},
                                                       {"\u2215", "slash"},
                                                       {"\uff0e", "dot"},
                                                       {std::string(256, 'a'), "--max-name 255"}};
  for (const auto& [path, why] : cases) EXPECT_THAT(problem(path), HasSubstr(why)) << escape(path);
  std::string deep = "x";
  for (int i = 1; i < 64; ++i) deep += "/x";
  EXPECT_EQ(problem(deep), "");
  EXPECT_THAT(problem(deep + "/x"), HasSubstr("--max-depth"));
}

TEST(Names, EscapedTextIsPrintable) {
  EXPECT_EQ(escape("a\n\x1b[31m\xff\"\\\u202e\u00e9"), "a\\x0a\\x1b[31m\\xff\\\"\\\\\\u{202e}\u00e9");
  EXPECT_LT(escape(std::string(100'000, 'x')).size(), 300u);
  EXPECT_EQ(printable("a \"quoted\" \\ message…\n"), "a \"quoted\" \\ message…\\x0a");
}

TEST(Names, VersionControlNamesAreKnown) {
  for (const char* name : {".git", ".GIT", ".hg", ".svn", ".bzr", ".jj", "_darcs", "CVS"})
    EXPECT_TRUE(is_version_control_name(name)) << name;
  for (const char* name : {".gitignore", ".github", "cvs", "git", "", ".gi", ".gitx"})
    EXPECT_FALSE(is_version_control_name(name)) << name;
}

TEST(NameKey, IsEqualForWhatFileSystemsTakeForEqual) {
  const std::pair<const char*, const char*> same[] = {{"Main.GO", "main.go"},
                                                      {"caf\u00e9", "cafe\u0301"},
                                                      {"\u00c9", "e\u0301"},
                                                      {"\u03a3", "\u03c2"},
                                                      {"stra\u00dfe", "STRASSE"},
                                                      {"\uac01", "\u1100\u1161\u11a8"},
                                                      {"\u212a", "k"},
                                                      {"a\u0323\u0302", "a\u0302\u0323"},
                                                      {"\u1ead", "a\u0323\u0302"},
                                                      {"ma\u0131n", "main"},
                                                      {"\u0130", "i\u0307"},
                                                      {"\u01c4", "\u01c6"}};
  for (const auto& [a, b] : same) EXPECT_EQ(name_key(a), name_key(b)) << a << " " << b;
  const std::pair<const char*, const char*> different[] = {{"a", "b"},       {"e", "\u00e9"},
                                                           {"\u0430", "a"},  {"\xff", "\u00ff"},
                                                           {"\xff", "\xfe"}, {"a\u0301\u0300", "a\u0300\u0301"}};
  for (const auto& [a, b] : different) EXPECT_NE(name_key(a), name_key(b)) << a << " " << b;
}

}  // namespace
}  // namespace sandbox_run::ingest
