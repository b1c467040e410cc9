// The go command as the oracle: over real modules, our hashes, build list and needed modules are what go says.
//
// Needs a go command, and its module cache or a module proxy for the modules below; without, the tests are skipped and
// say so. The caches are private to the test: nothing is written to the user's.
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "sum-verify/build_list.h"
#include "sum-verify/module_cache.h"
#include "sum-verify/testing.h"

namespace sandbox_run::sum_verify {
namespace {

using namespace testing;
namespace fs = std::filesystem;

struct Program {
  const char* package;  // of the first module
  ModuleVersion module;
};

// Chosen for what they exercise: pruning with many modules, capital letters in paths, +incompatible, old go lines.
const Program kPrograms[] = {
    {"./cmd/actionlint", {"github.com/rhysd/actionlint", "v1.7.12"}},
    {".", {"github.com/BurntSushi/toml", "v1.5.0"}},
    {"./cmd/goimports", {"golang.org/x/tools", "v0.30.0"}},
    {".", {"github.com/spf13/cobra", "v1.10.2"}},
};

// Runs go in `directory`; its standard output, or nothing where it failed.
std::optional<std::string> go(const std::string& directory, const std::string& cache, const std::string& arguments) {
  const std::string command =
      "cd '" + directory + "' && env GOMODCACHE='" + cache +
      "' GOFLAGS=-modcacherw GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0 GOOS=linux GOARCH=amd64 "
      "timeout 60 go " +
      arguments + " 2>/dev/null";
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string output(1 << 16, '\0');
  std::size_t used = 0;
  while (const std::size_t count = std::fread(output.data() + used, 1, output.size() - used, pipe)) {
    used += count;
    output.resize(used + (1 << 16));
  }
  output.resize(used);
  return ::pclose(pipe) == 0 ? std::optional(output) : std::nullopt;
}

std::string slurp(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A module cache as go fills it.
class CacheModules final : public ModuleSource {
 public:
  explicit CacheModules(std::string root) : root_(std::move(root)) {}
  Result<std::optional<std::string>> go_mod(const ModuleVersion& module) override {
    TRY(const std::string path, cache_path(module, CacheFile::mod));
    if (!fs::exists(root_ + "/" + path)) return std::optional<std::string>();
    return std::optional<std::string>(slurp(root_ + "/" + path));
  }
  Result<std::optional<UniqueFd>> zip(const ModuleVersion& module) override {
    TRY(const std::string path, cache_path(module, CacheFile::zip));
    if (!fs::exists(root_ + "/" + path)) return std::optional<UniqueFd>();
    TRY(UniqueFd fd, open_path(root_ + "/" + path, O_RDONLY));
    return std::optional<UniqueFd>(std::move(fd));
  }
  Result<std::string> extract(const ModuleVersion& module, int, const std::string&) override {
    TRY(const std::string path, cache_tree_path(module));
    return root_ + "/" + path;
  }
  Result<std::string> keep_go_mod(const ModuleVersion& module, const std::string&, const std::string&) override {
    TRY(const std::string path, cache_path(module, CacheFile::mod));
    return root_ + "/" + path;
  }

 private:
  std::string root_;
};

// A module with its dependencies in a private cache, and a copy of its tree to submit. Fetched once for all tests.
struct Fetched {
  std::string problem;  // why there is none
  TemporaryDirectory directory;
  nlohmann::json told;
  std::string cache() const { return directory.path() + "/cache"; }
  std::string source() const { return directory.path() + "/source"; }
};

std::unique_ptr<Fetched> fetch(const ModuleVersion& module) {
  auto fetched = std::make_unique<Fetched>();
  const std::string name = module.path + "@" + module.version;
  const auto told = go(fetched->directory.path(), fetched->cache(), "mod download -json " + name);
  if (!told) {
    fetched->problem = "go mod download " + name + " failed: there is no go command, or neither cache nor proxy has it";
    return fetched;
  }
  fetched->told = nlohmann::json::parse(*told);
  fs::copy(fetched->told["Dir"].get<std::string>(), fetched->source(), fs::copy_options::recursive);
  if (!go(fetched->source(), fetched->cache(), "mod download")) {
    fetched->problem = "go mod download failed for what " + name + " requires: neither cache nor proxy has it";
  }
  return fetched;
}

class Oracle : public ::testing::TestWithParam<Program> {
 protected:
  void SetUp() override {
    std::unique_ptr<Fetched>& slot = fetched_modules()[GetParam().module];
    if (!slot) slot = fetch(GetParam().module);
    if (!slot->problem.empty()) GTEST_SKIP() << slot->problem;
    fetched_ = slot.get();
  }
  static void TearDownTestSuite() { fetched_modules().clear(); }

  std::string cache() const { return fetched_->cache(); }
  std::string source() const { return fetched_->source(); }
  const nlohmann::json& told() const { return fetched_->told; }

  TestSubmission submission() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(source())) {
      if (entry.is_regular_file()) files[fs::relative(entry.path(), source()).string()] = slurp(entry.path());
    }
    return TestSubmission(files, GetParam().package);
  }

 private:
  static std::map<ModuleVersion, std::unique_ptr<Fetched>>& fetched_modules() {
    static std::map<ModuleVersion, std::unique_ptr<Fetched>> modules;
    return modules;
  }
  const Fetched* fetched_ = nullptr;
};

class OracleWithDependencies : public Oracle {};

TEST_P(Oracle, HashesAreGos) {
  const ModuleVersion& module = GetParam().module;
  ASSERT_OK_AND_ASSIGN(const UniqueFd zip, open_path(told()["Zip"].get<std::string>(), O_RDONLY));
  ASSERT_OK_AND_ASSIGN(const ModuleZipContent content, hash_module_zip(zip.get(), module));
  EXPECT_EQ(content.h1, told()["Sum"].get<std::string>());
  EXPECT_EQ(h1_of_go_mod(slurp(told()["GoMod"].get<std::string>())), told()["GoModSum"].get<std::string>());
  ASSERT_OK_AND_ASSIGN(const UniqueFd tree, open_path(told()["Dir"].get<std::string>(), O_RDONLY | O_DIRECTORY));
  ASSERT_OK_AND_ASSIGN(const auto files, hash_tree(tree.get(), module.path + "@" + module.version, 1ull << 30));
  EXPECT_EQ(h1_of_files(files).value(), told()["Sum"].get<std::string>());
}

TEST_P(Oracle, TheBuildListIsGos) {
  const auto answer = go(source(), cache(), "list -mod=mod -m -f '{{if not .Main}}{{.Path}} {{.Version}}{{end}}' all");
  ASSERT_TRUE(answer) << "go list -m all failed";
  std::set<std::string> expected;
  std::stringstream lines(*answer);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) expected.insert(line);
  }
  TestSubmission submitted = submission();
  Findings findings;
  ASSERT_OK_AND_ASSIGN(const MainModule main, MainModule::read(*submitted, "", findings));
  CacheModules modules(cache());
  SilentNarrator narrator;
  Evidence evidence(*submitted, main, modules, findings, narrator, "");
  BuildList list(main, evidence, findings);
  ASSERT_OK(list.load_graph(Need::optional));
  std::set<std::string> ours;
  for (const ModuleVersion& module : list.all()) ours.insert(module.path + " " + module.version);
  EXPECT_EQ(ours, expected);
}

TEST_P(Oracle, NeededModulesIncludeThoseOfGoListDeps) {
  const auto answer =
      go(source(), cache(),
         std::string("list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}' ") +
             GetParam().package);
  ASSERT_TRUE(answer) << "go list -deps failed";
  TestSubmission submitted = submission();
  CacheModules modules(cache());
  const Verification result = verify_or_die(*submitted, modules, {.toolchain_go_version = "1.26.8"});
  ASSERT_EQ(result.exit_code(), 0) << describe(result);
  std::set<std::string> zips;
  for (const VerifiedModule& module : result.tree->modules) {
    if (!module.zip_h1.empty()) zips.insert(module.module.path + " " + module.module.version);
  }
  std::stringstream lines(*answer);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(line.empty() || zips.contains(line)) << line;
  }
}

TEST_P(OracleWithDependencies, ATamperedZipIsFoundWhereGoModVerifyIsSatisfied) {
  TestSubmission submitted = submission();
  CacheModules modules(cache());
  const Verification before = verify_or_die(*submitted, modules);
  ASSERT_EQ(before.exit_code(), 0) << describe(before);
  for (const VerifiedModule& module : before.tree->modules) {
    if (module.zip_h1.empty()) continue;
    // A consistent rewrite of the zip and its .ziphash, which go mod verify has no way to see.
    const std::string path = cache() + "/" + cache_path(module.module, CacheFile::zip).value();
    const Files evil =
        module_files(module.module, {{"go.mod", slurp(module.go_mod_path)}, {"evil.go", "package evil\n"}});
    fs::remove(path);
    std::ofstream(path) << make_zip(evil);
    std::ofstream(path.substr(0, path.size() - 4) + ".ziphash") << h1_of(evil);
    const Verification after = verify_or_die(*submitted, modules);
    EXPECT_EQ(after.exit_code(), 3) << describe(after);
    return;
  }
  FAIL() << "this program was chosen because it needs other modules";
}

std::string name_of(const ::testing::TestParamInfo<Program>& info) {
  return info.param.module.path.substr(info.param.module.path.rfind('/') + 1);
}

INSTANTIATE_TEST_SUITE_P(RealModules, Oracle, ::testing::ValuesIn(kPrograms), name_of);
INSTANTIATE_TEST_SUITE_P(RealModules, OracleWithDependencies, ::testing::Values(kPrograms[0]), name_of);

}  // namespace
}  // namespace sandbox_run::sum_verify
