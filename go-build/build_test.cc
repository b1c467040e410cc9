// Builds for real: see RealBuilds.
#include "go-build/build.h"

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>

#include "base/files.h"
#include "base/testing.h"
#include "go-build/artifact_cache.h"
#include "go-build/go_command.h"
#include "go-build/std_cache.h"
#include "go-build/testing/real_builds.h"
#include "store/store.h"

namespace sandbox_run::go_build {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHello[] = "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n";

class BuildTest : public RealBuilds {
 protected:
  BuildFailure must_fail(const Files& files, const Request& request, const sum_verify::VerifiedTree& tree = {}) {
    auto outcome = try_build(files, request, tree);
    EXPECT_TRUE(outcome) << outcome.error().what;
    if (!outcome) return {};
    EXPECT_FALSE(outcome->artifact) << "it was built";
    EXPECT_FALSE(outcome->failure.message.empty());
    // No path of ours: neither the sandbox's nor the host's. ($GOROOT/src is not /src.)
    std::string output = outcome->failure.output;
    for (std::size_t at; (at = output.find("$GOROOT/src/")) != std::string::npos;) output.erase(at, 12);
    for (const char* ours : {"/src/", "/gomod/", "/goroot/", dir_.c_str(), state_.c_str()})
      EXPECT_THAT(output, Not(HasSubstr(ours)));
    return std::move(outcome->failure);
  }

  // Runs a trusted test program unsandboxed; what it printed.
  std::string run(const Artifact& artifact, std::vector<std::string> arguments = {}) {
    std::string path = dir_ + "/program" + std::to_string(submissions_++);
    std::ofstream(path) << bytes_of(artifact);
    ::chmod(path.c_str(), 0755);
    for (const auto& argument : arguments) path += " " + argument;
    return shell(path);
  }
  // GOCACHE for the go command outside: a writable copy of the std cache, or every test would compile std again.
  std::string outside_cache() {
    std::string path = state_ + "/outside-cache";
    if (fs::exists(path + "/README")) return path;
    SilentNarrator silent;
    auto cache = std_cache(*host_, toolchain_, state_, silent);
    EXPECT_TRUE(cache) << cache.error().what;
    fs::remove_all(path);
    shell("cp -r " + cache->path + " " + path + " && chmod -R u+w " + path);
    return path;
  }
  std::string shell(const std::string& command) {
    std::string output;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    char buffer[4096];
    for (std::size_t got; (got = ::fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, got);
    ::pclose(pipe);
    return output;
  }
};

TEST_F(BuildTest, HelloIsBuiltAndRuns) {
  auto outcome = must_build({{"go.mod", kGoMod}, {"main.go", kHello}}, request());
  ASSERT_TRUE(outcome.artifact);
  EXPECT_EQ(run(*outcome.artifact), "hello\n");
  EXPECT_EQ(outcome.artifact->go_version, toolchain_.version);
  EXPECT_FALSE(outcome.artifact->cached);
}

TEST_F(BuildTest, TheBinaryIsTheOneGoBuildMakesOutside) {
  const Files programs[] = {
      {{"go.mod", kGoMod}, {"main.go", kHello}},
      {{"main.go", kHello}},
      {{"a.go", "package main\n\nfunc main() { f() }\n"},
       {"b.go", "package main\n\nimport \"os\"\n\nfunc f() { os.Exit(3) }\n"}},
      {{"go.mod", kGoMod},
       {"main.go", "package main\n\nimport \"example.org/app/x\"\n\nfunc main() { x.F() }\n"},
       {"x/x.go", "package x\n\nimport \"net/http\"\n\nfunc F() { http.Get(\"\") }\n"}},
      {{"go.mod", "module example.org/old\n\ngo 1.20\n"}, {"main.go", kHello}},
  };
  for (bool symbols : {false, true})
    for (const Files& files : programs) {
      Request with = request();
      with.symbols = symbols;
      auto outcome = must_build(files, with);
      ASSERT_TRUE(outcome.artifact);
      std::string source = dir_ + "/outside" + std::to_string(submissions_++);
      std::string arguments = files.contains("go.mod") ? "." : "";
      for (const auto& [path, content] : files) {
        fs::create_directories(fs::path(source + "/" + path).parent_path());
        std::ofstream(source + "/" + path) << content;
        if (!files.contains("go.mod")) arguments += " ./" + path;
      }
      std::string said = shell(
          "cd " + source +
          " && env -i GOENV=off GOTOOLCHAIN=local GOWORK=off GOPROXY=off GOFLAGS= CGO_ENABLED=0 GOAMD64=v1 GOPATH=" +
          dir_ + "/gopath GOCACHE=" + outside_cache() + " " + toolchain_.goroot +
          "/bin/go build -trimpath -buildvcs=false -pgo=off '-ldflags=-linkmode=internal -buildid=" +
          (symbols ? "" : " -s -w") + "' -o " + source + "/out " + arguments);
      std::ifstream file(source + "/out", std::ios::binary);
      std::string expected((std::istreambuf_iterator<char>(file)), {});
      EXPECT_EQ(sha256(expected).hex(), outcome.artifact->sha256.hex()) << said;
    }
}

TEST_F(BuildTest, AModuleWithDependenciesSeesItsOwnBuildListOnly) {
  // Hashes as go.sum has them: the go command compares its cache's with these.
  const std::string y_mod = "module example.com/Y\n\ngo 1.20\n";
  const std::string y_go = "package y\n\nimport \"fmt\"\n\nfunc F() { fmt.Println(\"from y\") }\n";
  auto line = [](const std::string& name, const std::string& content) {
    return sha256(content).hex() + "  " + name + "\n";
  };
  const std::string zip_h1 =
      "h1:" + sha256(line("example.com/Y@v1.0.0/go.mod", y_mod) + line("example.com/Y@v1.0.0/y.go", y_go)).base64();
  const std::string mod_h1 = "h1:" + sha256(line("go.mod", y_mod)).base64();
  fs::create_directories(dir_ + "/store/y");
  std::ofstream(dir_ + "/store/y/go.mod") << y_mod;
  std::ofstream(dir_ + "/store/y/y.go") << y_go;
  sum_verify::VerifiedTree tree;
  tree.modules.push_back({{"example.com/Y", "v1.0.0"}, dir_ + "/store/y", dir_ + "/store/y/go.mod", zip_h1, mod_h1});
  Files files = {{"go.mod", "module example.org/app\n\ngo 1.25\n\nrequire example.com/Y v1.0.0\n"},
                 {"go.sum", "example.com/Y v1.0.0 " + zip_h1 + "\nexample.com/Y v1.0.0/go.mod " + mod_h1 + "\n"},
                 {"main.go", "package main\n\nimport y \"example.com/Y\"\n\nfunc main() { y.F() }\n"}};
  auto outcome = must_build(files, request(), tree);
  ASSERT_TRUE(outcome.artifact);
  EXPECT_EQ(run(*outcome.artifact), "from y\n");

  // An error in it is shown by the module's name, not by where it stands.
  fs::create_directories(dir_ + "/store/bad");
  std::ofstream(dir_ + "/store/bad/go.mod") << y_mod;
  std::ofstream(dir_ + "/store/bad/y.go") << "package y\n\nfunc F() { undefinedName() }\n";
  tree.modules[0].tree_path = dir_ + "/store/bad";
  auto failure = must_fail(files, request(), tree);
  EXPECT_THAT(failure.output, HasSubstr("example.com/Y@v1.0.0/y.go:3:12: undefined: undefinedName"));

  // Not in the build list: not in view, whatever go.mod and go.sum say.
  auto missing = must_fail(files, request());
  EXPECT_THAT(missing.output, HasSubstr("example.com/Y"));
}

TEST_F(BuildTest, VendoredModulesAreUsedWhereTheTreeSaysSo) {
  sum_verify::VerifiedTree tree;
  tree.vendored = true;
  auto outcome =
      must_build({{"go.mod", "module example.org/app\n\ngo 1.25\n\nrequire example.com/y v1.0.0\n"},
                  {"vendor/modules.txt", "# example.com/y v1.0.0\n## explicit; go 1.20\nexample.com/y\n"},
                  {"vendor/example.com/y/y.go", "package y\n\nfunc F() string { return \"vendored\" }\n"},
                  {"main.go", "package main\n\nimport \"example.com/y\"\n\nfunc main() { println(y.F()) }\n"}},
                 request(), tree);
  ASSERT_TRUE(outcome.artifact);
  EXPECT_EQ(run(*outcome.artifact), "vendored\n");
}

TEST_F(BuildTest, PackagesTagsAndFilesWithoutAModule) {
  auto package = must_build({{"go.mod", kGoMod}, {"x.go", "package x\n"}, {"cmd/tool/main.go", kHello}}, request(), {},
                            "./cmd/tool");
  ASSERT_TRUE(package.artifact);
  EXPECT_EQ(run(*package.artifact), "hello\n");
  Request tagged = request();
  tagged.tags = {"loud"};
  Files files = {{"go.mod", kGoMod},
                 {"main.go", "package main\n\nfunc main() { println(word) }\n"},
                 {"loud.go", "//go:build loud\n\npackage main\n\nconst word = \"LOUD\"\n"},
                 {"quiet.go", "//go:build !loud\n\npackage main\n\nconst word = \"quiet\"\n"}};
  EXPECT_EQ(run(*must_build(files, tagged).artifact), "LOUD\n");
  EXPECT_EQ(run(*must_build(files, request()).artifact), "quiet\n");
  tagged.tags = {"a b; -toolexec=/bin/sh"};
  auto refused = try_build(files, tagged);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, Fault::input);
}

TEST_F(BuildTest, ATestBinaryIsAProgramThatRunsItsTests) {
  Request test = request();
  test.test_binary = true;
  auto outcome = must_build(
      {{"go.mod", kGoMod},
       {"x.go", "package x\n\nfunc F() int { return 1 }\n"},
       {"x_test.go",
        "package x\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) {\n\tif F() != 1 {\n\t\tt.Fatal(F())\n\t}\n}\n"}},
      test);
  ASSERT_TRUE(outcome.artifact);
  EXPECT_THAT(run(*outcome.artifact, {"-test.v"}), HasSubstr("--- PASS: TestF"));
}

TEST_F(BuildTest, CompileErrorsAreTheCompilersOwnWithTheSubmittersPaths) {
  auto failure = must_fail(
      {{"go.mod", kGoMod}, {"main.go", "package main\n\nfunc main() { x := 1; undefinedName() }\n"}}, request());
  EXPECT_EQ(failure.limit, BuildFailure::Limit::none);
  ASSERT_EQ(failure.diagnostics.size(), 2u) << failure.output;
  EXPECT_EQ(failure.diagnostics[0].file, "main.go");
  EXPECT_EQ(failure.diagnostics[0].line, 3);
  EXPECT_EQ(failure.diagnostics[0].column, 15);
  EXPECT_EQ(failure.message, "main.go:3:15: declared and not used: x (and 1 more)");
  auto import =
      must_fail({{"go.mod", kGoMod}, {"main.go", "package main\n\nimport \"nosuch\"\n\nfunc main() {}\n"}}, request());
  EXPECT_THAT(import.message, HasSubstr("package nosuch is not in std"));
  auto link = must_fail(
      {{"go.mod", kGoMod}, {"e.s", ""}, {"main.go", "package main\n\nfunc g()\n\nfunc main() { g() }\n"}}, request());
  EXPECT_THAT(link.message, HasSubstr("relocation target main.g not defined"));
  auto library = must_fail({{"go.mod", kGoMod}, {"x.go", "package x\n\nfunc F() {}\n"}}, request());
  EXPECT_THAT(library.message, HasSubstr("not a program"));
  auto empty = must_fail({{"x.txt", "no Go here"}}, request());
  EXPECT_THAT(empty.message, HasSubstr("no Go files"));
}

TEST_F(BuildTest, ALineDirectiveDoesNotPutAForeignFileIntoADiagnostic) {
  auto failure = must_fail(
      {{"go.mod", kGoMod}, {"main.go", "package main\n\n//line /etc/passwd:1\nfunc main() { undefinedName() }\n"}},
      request());
  ASSERT_EQ(failure.diagnostics.size(), 1u) << failure.output;
  EXPECT_EQ(failure.diagnostics[0].file, "");
  EXPECT_EQ(failure.diagnostics[0].line, 0);
  EXPECT_THAT(failure.diagnostics[0].message, HasSubstr("undefined: undefinedName"));
  EXPECT_THAT(failure.output, HasSubstr("/etc/passwd:1"));
  // In a module below the snapshot's top the names are relative to it, and still the submitter's own.
  auto submission =
      submit({{"app/go.mod", kGoMod}, {"app/main.go", "package main\n\nfunc main() { undefinedName() }\n"}}, "./app");
  submission.module = "app";
  submission.has_go_mod = true;
  SilentNarrator silent;
  ASSERT_OK_AND_ASSIGN(BuildOutcome below, build(submission, {}, toolchain_, request(), silent));
  ASSERT_EQ(below.failure.diagnostics.size(), 1u) << below.failure.output;
  EXPECT_EQ(below.failure.diagnostics[0].file, "main.go");
  EXPECT_EQ(below.failure.diagnostics[0].line, 3);
}

TEST_F(BuildTest, AHostFileIsNotInView) {
  auto failure = must_fail({{"go.mod", kGoMod},
                            {"a.s", "#include \"/etc/hostname\"\n#include \"/proc/self/environ\"\n"},
                            {"main.go", "package main\n\nfunc main() {}\n"}},
                           request());
  EXPECT_THAT(failure.output, Not(HasSubstr(shell("hostname").substr(0, 8))));
}

TEST_F(BuildTest, DynamicImportsDoNotPassTheGate) {
  auto failure =
      must_fail({{"go.mod", kGoMod},
                 {"main.go",
                  "package main\n\nimport _ \"unsafe\"\n\n//go:cgo_import_dynamic libc_puts puts \"libc.so.6\"\n"
                  "//go:cgo_import_dynamic _ _ \"libc.so.6\"\n\nfunc f()\n\nfunc main() { f() }\n"},
                 {"f.s",
                  "TEXT \xc2\xb7"
                  "f(SB),4,$0\n\tJMP libc_puts(SB)\n"}},
                request());
  EXPECT_FALSE(failure.message.empty());
}

TEST_F(BuildTest, LimitsEndABuildAndAreNamed) {
  Files files = {{"go.mod", kGoMod}, {"main.go", kHello}};
  using L = BuildFailure::Limit;
  struct Row {
    L limit;
    const char* says;
    void (*change)(Limits&);
  };
  const Row rows[] = {
      {L::wall_time, "--build-wall-time", [](Limits& l) { l.wall_time = WallTime{std::chrono::milliseconds(20)}; }},
      {L::cpu_time, "--build-cpu-time", [](Limits& l) { l.cpu_time = CpuTime{std::chrono::milliseconds(20)}; }},
      {L::memory, "--build-memory", [](Limits& l) { l.memory = Bytes{16 << 20}; }},
      {L::output, "--build-output", [](Limits& l) { l.output = Bytes{256 << 10}; }},
      {L::processes, "--build-pids", [](Limits& l) { l.processes = 3; }},
  };
  for (const Row& row : rows) {
    Request limited = request();
    row.change(limited.limits);
    auto failure = must_fail(files, limited);
    EXPECT_EQ(failure.limit, row.limit) << row.says << ": " << failure.message << "\n" << failure.output;
    EXPECT_THAT(failure.message, HasSubstr(row.says));
  }
  must_build(files, request());  // control
}

TEST_F(BuildTest, BombsEndWithinTheLimits) {
  Request limited = request();
  limited.limits.cpu_time = CpuTime{std::chrono::seconds(4)};
  limited.limits.wall_time = WallTime{std::chrono::seconds(6)};
  limited.limits.memory = Bytes{512 << 20};
  std::string nest = "int";
  for (int i = 0; i < 10; ++i) nest = "T[" + nest + "]";
  must_fail({{"go.mod", kGoMod},
             {"main.go", "package main\n\ntype T[P any] struct{ _, _, _, _, _, _, _, _ P }\ntype U " + nest +
                             "\n\nfunc main() { var u U; _ = u }\n"}},
            limited);
  auto array = try_build(
      {{"go.mod", kGoMod}, {"main.go", "package main\n\nvar a = [1 << 28]int32{1}\n\nfunc main() { println(a[0]) }\n"}},
      limited);
  EXPECT_TRUE(array) << array.error().what;
}

TEST_F(BuildTest, TheSameSourceAgainIsAnsweredByTheCache) {
  Request cached = request();
  cached.use_artifact_cache = true;
  Files files = {{"go.mod", kGoMod}, {"main.go", kHello + ("// " + dir_ + "\n")}};
  auto first = must_build(files, cached);
  auto second = must_build(files, cached);
  ASSERT_TRUE(first.artifact && second.artifact);
  EXPECT_FALSE(first.artifact->cached);
  EXPECT_TRUE(second.artifact->cached);
  EXPECT_EQ(first.artifact->sha256, second.artifact->sha256);
  cached.symbols = true;
  auto other = must_build(files, cached);
  EXPECT_FALSE(other.artifact->cached) << "another recipe is another artifact";
}

TEST_F(BuildTest, ReplayGivesTheGoCommandsBytes) {
  auto program = [](const std::string& imports, const std::string& body) {
    return "package main\n\nimport (" + imports + ")\n\nfunc main() {\n" + body + "\n}\n";
  };
  const std::string sorted =
      program("\"bufio\"; \"fmt\"; \"os\"; \"sort\"; \"strings\"",
              "\ts := bufio.NewScanner(os.Stdin)\n\tvar l []string\n\tfor s.Scan() {\n\t\tl = append(l, "
              "strings.ToUpper(s.Text()))\n\t}\n\tsort.Strings(l)\n\tfmt.Println(l)");
  const std::string json =
      program("\"encoding/json\"; \"net/http\"; \"os\"",
              "\tr, _ := http.NewRequest(\"GET\", \"/\", nil)\n\tjson.NewEncoder(os.Stdout).Encode(r.Header)");
  const std::string generic =
      "package main\n\ntype N interface{ ~int | ~float64 }\n\nfunc sum[T N](v ...T) (s T) {\n\tfor _, x := range v "
      "{\n\t\ts += x\n\t}\n"
      "\treturn\n}\n\nfunc main() { println(sum(1, 2), sum(1.5)) }\n";
  const std::string debug =
      program("\"fmt\"; \"runtime/debug\"; \"runtime\"; \"math/rand\"; \"time\"; \"unsafe\"",
              "\ti, _ := debug.ReadBuildInfo()\n\t_, f, _, _ := runtime.Caller(0)\n\tfmt.Println(i, f, "
              "rand.Int(), time.Now(), unsafe.Sizeof(f))");
  struct Row {
    Files files;
    std::string package = ".";
  };
  std::vector<Row> rows;
  for (const std::string& text : {std::string(kHello), sorted, json, generic, debug}) {
    rows.push_back({{{"go.mod", kGoMod}, {"main.go", text}}});
    rows.push_back({{{"main.go", text}}});
  }
  for (const char* line : {"1.17", "1.20", "1.22.1", "1.24"})
    rows.push_back(
        {{{"go.mod", "module example.org/old/v2\n\ngo " + std::string(line) + "\n"}, {"main.go", debug.c_str()}}});
  rows.push_back({{{"go.mod", kGoMod}, {"cmd/tool/a.go", sorted}, {"cmd/tool/b.go", "package main\n\nvar B = 1\n"}},
                  "./cmd/tool"});
  rows.push_back(
      {{{"go.mod", "module app\n\ngo 1.25\n"}, {"x.go", kHello}, {"x.txt", "text"}, {"y_test.go", "package main\n"}}});
  for (bool symbols : {false, true})
    for (const Row& row : rows) {
      Request with = request();
      with.symbols = symbols;
      auto replayed = must_build(row.files, with, {}, row.package);
      with.use_shortcuts = false;
      auto built = must_build(row.files, with, {}, row.package);
      ASSERT_TRUE(replayed.artifact && built.artifact);
      EXPECT_TRUE(replayed.artifact->replayed);
      EXPECT_FALSE(built.artifact->replayed);
      EXPECT_EQ(replayed.artifact->sha256, built.artifact->sha256)
          << row.files.begin()->second << row.files.rbegin()->second;
    }
}

TEST_F(BuildTest, ReplayLeavesErrorsToTheGoCommandAndLimitsToNobody) {
  auto failure =
      must_fail({{"go.mod", kGoMod}, {"main.go", "package main\n\nfunc main() { undefinedName() }\n"}}, request());
  EXPECT_THAT(failure.output, HasSubstr("# example.org/app\n"));
  EXPECT_EQ(failure.message, "main.go:3:15: undefined: undefinedName");
  auto library = must_fail({{"go.mod", kGoMod}, {"main.go", "package main\n\nfunc F() {}\n"}}, request());
  EXPECT_THAT(library.message, HasSubstr("function main is undeclared"));
}

// A file system of its own for a state directory, with the options of a tmpfs.
class SmallDisk {
 public:
  SmallDisk(std::string path, const std::string& options) : path_(std::move(path)) {
    fs::create_directories(path_);
    mounted_ = ::mount("small", path_.c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST_F(BuildTest, AFullDiskIsTheHostsFaultWhenTheStdCacheIsFilled) {
  // Too small to begin with; and one on which the go command runs out of room (of inodes: sooner than of bytes).
  for (const char* options : {"size=100m", "size=1g,nr_inodes=300"}) {
    const std::string state = dir_ + "/small";
    SmallDisk disk(state, options);
    ASSERT_TRUE(disk.mounted());
    SilentNarrator silent;
    auto filled = std_cache(*host_, toolchain_, state, silent);
    ASSERT_FALSE(filled) << options;
    EXPECT_EQ(filled.error().fault, Fault::host);
    EXPECT_EQ(filled.error().sys_errno, ENOSPC) << options << ": " << filled.error().what;
    EXPECT_THAT(filled.error().what, HasSubstr("no room to compile the standard library"));
    EXPECT_THAT(filled.error().what, HasSubstr("the file system of " + state));
    for (const char* left : {"/run", "/std"})
      EXPECT_TRUE(!fs::exists(state + left) || fs::is_empty(state + left)) << left << " is not empty";
  }
}

TEST_F(BuildTest, AFullDiskIsTheHostsFaultWhenTheProgramIsWritten) {
  const std::string disk_path = dir_ + "/small";
  SmallDisk disk(disk_path, "size=700m");
  ASSERT_TRUE(disk.mounted());
  shell("mkdir " + disk_path + "/std && cp -a " + state_ + "/std/" + toolchain_.version + "-* " + disk_path + "/std/");
  Request small = request();
  small.state_directory = disk_path;
  const Files files = {{"go.mod", kGoMod}, {"main.go", kHello}};
  ASSERT_OK_AND_ASSIGN(Bytes left, free_space(disk_path));
  ASSERT_OK_AND_ASSIGN(UniqueFd fat, open_path(disk_path + "/fat", O_WRONLY | O_CREAT | O_EXCL, 0600));
  ASSERT_EQ(::fallocate(fat.get(), 0, 0, static_cast<off_t>(left.count - (600 << 10))), 0);
  auto outcome = try_build(files, small);
  ASSERT_FALSE(outcome) << outcome->failure.message;
  EXPECT_EQ(outcome.error().fault, Fault::host);
  EXPECT_EQ(outcome.error().sys_errno, ENOSPC);
  EXPECT_THAT(outcome.error().what, HasSubstr("its file system has"));
  ASSERT_EQ(::ftruncate(fat.get(), 0), 0);
  must_build(files, small);  // control
  // Control: a limit that is the submitter's stays his, on a disk with room.
  Request limited = request();
  limited.limits.output = Bytes{256 << 10};
  EXPECT_EQ(must_fail(files, limited).limit, BuildFailure::Limit::output);
}

TEST_F(BuildTest, RecipesAreBounded) {
  const std::string recipes = state_ + "/recipes";
  fs::remove_all(recipes);
  fs::create_directories(recipes + "/old");
  std::ofstream(recipes + "/old/recipe") << std::string(9 << 20, 'x');
  fs::last_write_time(recipes + "/old", fs::file_time_type::clock::now() - std::chrono::hours(1));
  auto outcome = must_build({{"go.mod", kGoMod}, {"main.go", kHello}}, request());
  ASSERT_TRUE(outcome.artifact);
  EXPECT_TRUE(outcome.artifact->replayed);
  EXPECT_FALSE(fs::exists(recipes + "/old")) << "the least recently used one stayed over the cap";
  EXPECT_FALSE(fs::is_empty(recipes)) << "the one just made went";
}

// The measured traps of a shared std cache: owners, an hour, five days.
TEST_F(BuildTest, AnAgedStdCacheStaysSharedAndSmall) {
  ASSERT_OK_AND_ASSIGN(StdCache cache, std_cache(*host_, toolchain_, state_, *std::make_unique<SilentNarrator>()));
  const Files dependency = {
      {"go.mod", "module example.org/app\n\ngo 1.25\n\nrequire example.com/y v1.0.0\n\nreplace example.com/y => ./y\n"},
      {"y/go.mod", "module example.com/y\n\ngo 1.25\n"},
      {"y/y.go", "package y\n\nimport \"net/http\"\n\nvar C http.Client\n"},
      {"main.go", "package main\n\nimport \"example.com/y\"\n\nfunc main() { println(y.C.Timeout) }\n"}};
  const Files test = {{"go.mod", kGoMod},
                      {"x.go", "package x\n"},
                      {"x_test.go", "package x\n\nimport \"testing\"\n\nfunc TestX(*testing.T) {}\n"}};
  for (int hours : {0, 2, 7 * 24}) {
    auto then = fs::file_time_type::clock::now() - std::chrono::hours(hours);
    for (const auto& entry : fs::recursive_directory_iterator(cache.path)) fs::last_write_time(entry.path(), then);
    Request small = request();
    small.limits.output = Bytes{24 << 20};  // copying the cache up would not fit
    must_build({{"go.mod", kGoMod}, {"main.go", kHello}}, small);
    must_build(dependency, small);
    small.test_binary = true;
    must_build(test, small);
  }
  for (const auto& entry : fs::recursive_directory_iterator(cache.path)) {
    struct stat info {};
    ASSERT_EQ(::lstat(entry.path().c_str(), &info), 0);
    ASSERT_EQ(info.st_uid, 0u) << entry.path();
    ASSERT_EQ(info.st_mode & 0222, 0u) << entry.path();
  }
}

}  // namespace
}  // namespace sandbox_run::go_build
