#include "go-build/replay_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "go-build/replay.h"

namespace sandbox_run::go_build {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Files = std::map<std::string, std::string>;

const std::set<std::string, std::less<>> kStd = {
    "fmt", "os", "net/http", "internal/abi", "vendor/golang.org/x/net/dns", "plugin", "encoding/json"};
constexpr char kMain[] = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n";
constexpr char kMod[] = "module example.org/app // the app\n\ngo 1.25\n";

std::optional<ReplaySource> source_of(const Files& files, BuildTarget target = {}) {
  ingest::Submission submission;
  for (const auto& [path, content] : files) submission.files.push_back({path, Bytes{content.size()}, {}});
  submission.has_go_mod = files.contains("go.mod");
  return replay_source(submission, target, kStd, [&](const std::string& path) -> std::optional<std::string> {
    auto at = files.find(path);
    return at == files.end() ? std::nullopt : std::optional(at->second);
  });
}

TEST(PlainImports, AreReadInEveryFormGoWritesThem) {
  auto read = [](std::string_view text) { return plain_imports(text).value_or(std::vector<std::string>{"none"}); };
  EXPECT_THAT(read("package main"), ElementsAre());
  EXPECT_THAT(read("// doc\npackage main // x\nimport \"fmt\"; import `os`\n"), ElementsAre("fmt", "os"));
  EXPECT_THAT(read("package main;import(\"fmt\";_ \"os\"\n. \"a/b\"\nx \"c.d/e-f\")\nfunc main(){}"),
              ElementsAre("fmt", "os", "a/b", "c.d/e-f"));
  EXPECT_THAT(read("/* a\n*/package/**/main/*\n*/import/**/(/**/)\nimport \"fmt\"\ntype T int"), ElementsAre("fmt"));
  EXPECT_THAT(read("package main\nvar x = `\nimport \"os\"\n`"), ElementsAre());
  EXPECT_THAT(read("package main\nimportant := 1"), ElementsAre());
}

TEST(PlainImports, DoubtIsNo) {
  for (const char* text :
       {"", "package", "package other\n", "package main_test\n", "package main import \"fmt\"\n",
        "package main\nimport fmt\n", "package main\nimport \"fmt\n", "package main\nimport (\"fmt\"",
        "package main\nimport \"a b\"\n", "package main\nimport \"fmt\" \"os\"\n", "package main\nimport \"./x\"\n",
        "package main\nimport \"/x\"\n", "package main\nimport \"a\\x62\"\n", "package main\nimport \"\"\n",
        "/* package main\n", "\xef\xbb\xbfpackage main\n"})
    EXPECT_FALSE(plain_imports(text)) << text;
}

TEST(ReplaySource, AnOrdinaryProgramIsTaken) {
  auto app = source_of({{"go.mod", kMod},
                        {"main.go", kMain},
                        {"b.go", "package main\n"},
                        {"b_test.go", "package main\n"},
                        {"README.md", ""}});
  ASSERT_TRUE(app);
  EXPECT_EQ(app->package_path, "example.org/app");
  EXPECT_EQ(app->go_line, "1.25");
  EXPECT_THAT(app->imports, ElementsAre("fmt"));
  EXPECT_THAT(app->files, ElementsAre("b.go", "main.go"));
  BuildTarget tool;
  tool.package = "./cmd/tool";
  auto below = source_of({{"go.mod", kMod}, {"lib.s", ""}, {"cmd/tool/main.go", kMain}}, tool);
  ASSERT_TRUE(below);
  EXPECT_EQ(below->package_path, "example.org/app/cmd/tool");
  EXPECT_EQ(below->directory, "cmd/tool");
  BuildTarget file;
  file.files = {"main.go"};
  auto single = source_of({{"main.go", kMain}}, file);
  ASSERT_TRUE(single);
  EXPECT_EQ(single->package_path, "command-line-arguments");
}

TEST(ReplaySource, WhateverTheGoCommandWouldThinkAboutIsLeftToIt) {
  ASSERT_TRUE(source_of({{"go.mod", kMod}, {"main.go", kMain}}));  // control
  const std::string main = kMain;
  const Files programs[] = {
      {{"go.mod", "module example.org/app\n"}, {"main.go", kMain}},
      {{"go.mod", "module example.org/app\ngo 1.25\nrequire x.org/y v1.0.0\n"}, {"main.go", kMain}},
      {{"go.mod", "module example.org/app\ngo 1.25\ntoolchain go1.99.0\n"}, {"main.go", kMain}},
      {{"go.mod", "module example.org/app\ngo 1.25\ngodebug panicnil=1\n"}, {"main.go", kMain}},
      {{"go.mod", "module example.org/app\ngo 1.26rc1\n"}, {"main.go", kMain}},
      {{"go.mod", "module (\nexample.org/app\n)\ngo 1.25\n"}, {"main.go", kMain}},
      {{"go.mod", "module \"example.org/app\"\ngo 1.25\n"}, {"main.go", kMain}},
      {{"go.mod", "module fmt\ngo 1.25\n"}, {"main.go", kMain}},
      {{"go.mod", "module net/http/x\ngo 1.25\n"}, {"main.go", kMain}},
      {{"go.mod", "module encoding\ngo 1.25\n"}, {"main.go", kMain}},
      {{"go.mod", "module std\ngo 1.25\n"}, {"main.go", kMain}},
      {{"go.mod", kMod}, {"go.sum", "x"}, {"main.go", kMain}},
      {{"go.mod", kMod}, {"vendor/modules.txt", ""}, {"main.go", kMain}},
      {{"go.mod", kMod}, {"sub/go.mod", kMod}, {"main.go", kMain}},
      {{"go.mod", kMod}, {"main.go", kMain}, {"a.s", ""}},
      {{"go.mod", kMod}, {"main.go", kMain}, {"a.c", ""}},
      {{"go.mod", kMod}, {"main.go", kMain}, {"a.syso", ""}},
      {{"go.mod", kMod}, {"main_linux.go", kMain}},
      {{"go.mod", kMod}, {"main.go", kMain}, {"MAIN.go", "package main\n"}},
      {{"go.mod", kMod}, {"-o.go", kMain}},
      {{"go.mod", kMod}, {"m ain.go", kMain}},
      {{"go.mod", kMod}, {"main.go", "//go:build linux\n\n" + main}},
      {{"go.mod", kMod}, {"main.go", "// +build linux\n\n" + main}},
      {{"go.mod", kMod}, {"main.go", "//go:debug panicnil=1\n" + main}},
      {{"go.mod", kMod}, {"main.go", main + "//go:embed x\nvar x string\n"}},
      {{"go.mod", kMod}, {"main.go", main + "//line a.go:1\n"}},
      {{"go.mod", kMod}, {"main.go", "package main\nimport \"C\"\n"}},
      {{"go.mod", kMod}, {"main.go", "package main\nimport \"plugin\"\n"}},
      {{"go.mod", kMod}, {"main.go", "package main\nimport \"internal/abi\"\n"}},
      {{"go.mod", kMod}, {"main.go", "package main\nimport \"golang.org/x/net/dns\"\n"}},
      {{"go.mod", kMod}, {"main.go", "package main\nimport \"example.org/app/x\"\n"}},
      {{"go.mod", kMod}, {"main.go", "package other\n"}},
      {{"go.mod", kMod}, {"main.go", kMain}, {"o.go", "package other\n"}},
      {{"go.mod", kMod}, {"main.go", main + std::string(1, '\0')}},
      {{"go.mod", kMod}, {"x/main.go", kMain}},
  };
  for (const Files& files : programs) {
    std::string shown;
    for (const auto& [path, content] : files) shown += path + ": " + content + "\n";
    EXPECT_FALSE(source_of(files)) << shown;
  }
  std::vector<BuildTarget> targets(4);
  targets[0].test_binary = true;
  targets[1].vendored = true;
  targets[2].tags = {"t"};
  targets[3].directory = "a";
  for (const auto& target : targets) EXPECT_FALSE(source_of({{"go.mod", kMod}, {"main.go", kMain}}, target));
}

// As go 1.26.8 prints it, shortened.
constexpr char kDryRun[] =
    "mkdir -p $WORK/b001/\ncat >$WORK/b001/importcfg << 'EOF' # internal\npackagefile fmt=/gocache/aa/aa-d\nEOF\ncd "
    "/src\n"
    "/goroot/pkg/tool/linux_amd64/compile -o $WORK/b001/_pkg_.a -trimpath "
    "\"/src=>sandbox-run.invalid/placeholder;$WORK/b001=>\" -p main "
    "-lang=go1.25 -complete -buildid x/x -goversion go1.26.8 -c=2 -nolocalimports -importcfg $WORK/b001/importcfg "
    "-pack ./main.go\n"
    "go tool buildid -w $WORK/b001/_pkg_.a # internal\ncat >$WORK/b001/importcfg.link << 'EOF' # internal\n"
    "modinfo "
    "\"0w\\xafpath\\tsandbox-run.invalid/placeholder\\nmod\\tsandbox-run.invalid/"
    "placeholder\\t(devel)\\t\\nbuild\\t-compiler=gc\\n\"\nEOF\n"
    "GOROOT='' /goroot/pkg/tool/linux_amd64/link -o $WORK/b001/exe/a.out -importcfg $WORK/b001/importcfg.link "
    "-X=runtime.godebugDefault=a=1,b=2 -buildmode=exe -buildid=q -linkmode=internal -buildid= -s -w -extld=gcc "
    "$WORK/b001/_pkg_.a\n";

TEST(Recipe, IsReadFromTheGoCommandsDryRun) {
  auto recipe = Recipe::parse(kDryRun);
  ASSERT_TRUE(recipe);
  auto again = Recipe::load(recipe->save());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->save(), recipe->save());
  ReplaySource source;
  source.module = "example.org/app";
  source.package_path = "example.org/app/cmd/x";
  source.directory = "cmd/x";
  source.files = {"a.go", "b.go"};
  EXPECT_THAT(
      again->compile_command(source),
      ElementsAre("compile", "-o", "/out/program", "-trimpath", "/src/cmd/x=>example.org/app/cmd/x;/gotmp/work=>", "-p",
                  "main", "-lang=go1.25", "-complete", "-buildid", "x/x", "-goversion", "go1.26.8", "-c=2",
                  "-nolocalimports", "-importcfg", "/replay/importcfg", "-pack", "./a.go", "./b.go"));
  EXPECT_THAT(again->link_command(),
              ElementsAre("link", "-o", "/out/program", "-importcfg", "/replay/importcfg.link",
                          "-X=runtime.godebugDefault=a=1,b=2", "-buildmode=exe", "-buildid=q", "-linkmode=internal",
                          "-buildid=", "-s", "-w", "-extld=gcc", "/replay/main.a"));
  EXPECT_THAT(again->modinfo_line(source), HasSubstr("path\\texample.org/app/cmd/x\\nmod\\texample.org/app\\t(devel)"));
}

TEST(Recipe, AnUnknownDryRunIsNoRecipe) {
  auto changed = [](std::string_view from, std::string_view to) {
    std::string text = kDryRun;
    auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  EXPECT_FALSE(Recipe::parse(""));
  EXPECT_FALSE(Recipe::parse(std::string(kDryRun) + kDryRun));
  EXPECT_FALSE(Recipe::parse(changed("-pack ./main.go", "-pack ./main.go ./other.go")));
  EXPECT_FALSE(Recipe::parse(changed("-complete", "-complete -symabis $WORK/b001/symabis")));
  EXPECT_FALSE(Recipe::parse(changed("go tool buildid", "/goroot/pkg/tool/linux_amd64/asm")));
  EXPECT_FALSE(Recipe::parse(changed("GOROOT=''", "LD_PRELOAD=x")));
  EXPECT_FALSE(Recipe::parse(changed("modinfo", "modinf")));
  EXPECT_FALSE(Recipe::parse(changed("-importcfg $WORK/b001/importcfg -pack", "-pack")));
  std::string whole = Recipe::parse(kDryRun)->save();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(Recipe::load(std::string_view(whole).substr(0, size))) << size;
}

}  // namespace
}  // namespace sandbox_run::go_build
