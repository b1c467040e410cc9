// Theory of operation. For a main package that imports the standard library alone, half of a build's time is the go
// command finding out that there are two commands to run: compile and link. They are asked of it once, for a
// placeholder program of ours (`go build -n`), and kept as a Recipe by what they depend on: std cache, go line, flags.
// A later program of the same kind is built by running the two with its names put in:
//   recognize   replay_source.cc tells such a program from its imports and file names; in any doubt the go command
//               builds
//   recipe      every word of the dry run must be understood (shell_words, tool_words): a line with another tool, a
//               path of $WORK that is left, a second compile, and there is no recipe
//   compile     in a sandbox that sees the snapshot and the std packages it imports, and writes one archive
//   link        in a second sandbox, made while the first one runs, that sees the archive and no source, and writes the
//               program
// With hooks the rewriter starts the compiler, and writes what it found in the main package; the standard library's
// part is known by then (hooked_compile.cc). The result is the go command's, byte for byte (build_test compares). A
// tool that fails has not decided anything: the go command builds again and has the words for it; only a limit that was
// hit, or a cancellation, is an answer.
#include "go-build/replay.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <set>

#include "base/files.h"
#include "go-build/go_command.h"
#include "go-build/inside.h"
#include "store/store.h"

namespace sandbox_run::go_build {
namespace {

constexpr std::string_view kCompileConfig = "/replay/importcfg";
constexpr std::string_view kLinkConfig = "/replay/importcfg.link";
constexpr std::string_view kArchive = "/replay/main.a";
constexpr std::string_view kObjects = "/gotmp/work";  // what the recipe's -trimpath leaves out of file names
constexpr std::string_view kHookPackage = "internal/sandboxhook";

// A line of shell as `go build -n` prints it: words, "…" and '…' without escapes that matter here.
std::optional<std::vector<std::string>> shell_words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;
  char quote = 0;
  for (char c : line) {
    if (c == '\\' || c == '`') return std::nullopt;
    if (quote) {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      open = true;
    } else if (c == ' ') {
      if (open) words.push_back(std::move(word));
      word.clear();
      open = false;
    } else {
      word += c;
      open = true;
    }
  }
  if (quote) return std::nullopt;
  if (open) words.push_back(std::move(word));
  return words;
}

// The words from the tool's name on; nothing where the line runs another program.
std::optional<std::vector<std::string>> tool_words(std::string_view line, std::string_view tool) {
  std::string path = fmt::format("{}/pkg/tool/linux_amd64/{}", inside::kGoroot, tool);
  auto words = shell_words(line);
  if (!words) return std::nullopt;
  auto at = std::find(words->begin(), words->end(), path);
  if (at == words->end()) return std::nullopt;
  for (auto before = words->begin(); before != at; ++before)
    if (*before != "GOROOT=") return std::nullopt;
  words->erase(words->begin(), at);
  words->front() = tool;
  return words;
}

bool replace_value(std::vector<std::string>& words, std::string_view flag, std::string_view value) {
  auto at = std::find(words.begin(), words.end(), flag);
  if (at == words.end() || at + 1 == words.end()) return false;
  *(at + 1) = value;
  return true;
}

bool mentions_work(const std::vector<std::string>& words) {
  return std::any_of(words.begin(), words.end(), [](const auto& w) { return w.find("$WORK") != std::string::npos; });
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

std::string inside_directory(const ReplaySource& source) {
  return std::string(inside::kSource) + (source.directory.empty() ? "" : "/" + source.directory);
}

// The program the go command is asked about, in a directory of its own.
Status write_placeholder(const std::string& directory, const ReplaySource& source) {
  TRY_STATUS(make_directories(directory));
  TRY_STATUS(
      replace_file(directory + "/main.go", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n", 0444));
  if (!source.module.empty())
    TRY_STATUS(replace_file(directory + "/go.mod",
                            fmt::format("module {}\n\ngo {}\n", kPlaceholderModule, source.go_line), 0444));
  return store::make_read_only(directory);
}

Result<Recipe> ask_go_command(const ReplayInput& input, const ReplaySource& source) {
  std::string directory = input.run_directory + "/placeholder";
  TRY_STATUS(write_placeholder(directory, source));
  TRY(BuildPaths paths, paths_of(input.toolchain));
  paths.source = directory;
  paths.std_cache = input.std_library.path;
  BuildTarget target;
  target.symbols = input.symbols;
  target.symbol_table = input.hooks != nullptr;
  if (source.module.empty()) target.files = {"main.go"};
  TRY(launch::Facts facts,
      run_go(input.host, build_plan(paths, Limits{}, unique_id("recipe"), std::time(nullptr)), input.toolchain,
             dry_run_command(target, input.limits, processors()), -1, input.cancel_fd));
  auto recipe = Recipe::parse(facts.stderr_stream.captured + facts.stdout_stream.captured);
  if (!succeeded(facts) || !recipe) return host_error("the go command's dry run is not what is known of it");
  return *recipe;
}

// 8 KiB of disk each; the submitter chooses the go line, so there is no end to them otherwise.
constexpr Bytes kRecipesCap{8 << 20};

// Asked once per (std cache, go line, flags), kept in the state directory.
Result<Recipe> recipe_for(const ReplayInput& input, const ReplaySource& source) {
  Sha256Digest key = sha256(fmt::format("{}\n{}\ngo {}\nmodule {}\nsymbols {} {}\n", kRecipe, input.std_library.path,
                                        source.go_line, !source.module.empty(), input.symbols, input.hooks != nullptr));
  std::string directory = input.state_directory + "/recipes";
  TRY_STATUS(make_directories(directory));
  std::string path = fmt::format("{}/{:.32}", directory, key.hex());
  bool filled = false;
  TRY(UniqueFd held, store::fill_and_hold(
                         path,
                         [&](const std::string& temporary) -> Status {
                           filled = true;
                           TRY(Recipe asked, ask_go_command(input, source));
                           return replace_file(temporary + "/recipe", asked.save(), 0444);
                         },
                         store::Durability::unsynced));
  TRY(std::string text, read_file(path + "/recipe", Bytes{64 << 10}));
  if (filled) TRY_STATUS(store::evict(directory, kRecipesCap));
  auto recipe = Recipe::load(text);
  if (recipe) return *recipe;
  held.reset();
  (void)remove_tree(AT_FDCWD, path);  // cut off by a power cut
  return host_error("the recipe at " + path + " was damaged");
}

// Where the packages' compiled forms are: of all (the linker follows imports) or of `only` these.
std::string import_configuration(const std::string& packages, const std::set<std::string>* only) {
  std::string text;
  for (std::size_t at = 0; at < packages.size();) {
    auto end = std::min(packages.find('\n', at), packages.size());
    auto equals = packages.find('=', at);
    std::string path = packages.substr(at, std::min(equals, end) - at);
    if (equals < end && (!only || only->contains(path)))
      text +=
          fmt::format("packagefile {}={}/{}\n", path, inside::kCache, packages.substr(equals + 1, end - equals - 1));
    at = end + 1;
  }
  return text;
}

// A sandbox with the compiler at work in it, or with the rewriter that starts it.
Result<Tool> start_compiler(const ReplayInput& input, const ReplaySource& source, const Recipe& recipe,
                            BuildPaths paths, const std::string& archive) {
  constexpr std::string_view kCompiler = "pkg/tool/linux_amd64/compile";
  TRY(std::string packages,
      read_file(input.hooks ? input.hooks->packages_path : input.std_library.packages_path, Bytes{1 << 20}));
  std::set<std::string> visible = source.imports;
  visible.insert("runtime");  // as the go command adds it to every main package
  paths.source = input.snapshot_path;
  paths.directory = source.directory.empty() ? "." : source.directory;
  paths.output_file = archive;
  paths.more = {launch::FileMount{std::string(kCompileConfig), import_configuration(packages, &visible)}};
  BuildCommand command = build_command({}, input.limits, processors());
  command.arguments = recipe.compile_command(source);
  if (!input.hooks) {
    TRY(Tool compiler, Tool::prepare(input.host, build_plan(paths, input.limits, unique_id("compile"), 0),
                                     input.toolchain, std::string(kCompiler)));
    TRY_STATUS(compiler.start(command, -1));
    return compiler;
  }
  paths.more.insert(paths.more.end(), input.hooks->mounts.begin(), input.hooks->mounts.end());
  command.arguments.front() = fmt::format("{}/{}", inside::kGoroot, kCompiler);
  const std::vector<std::string> words = {std::string(inside::kRewriter),
                                          "compile",
                                          "--rules",
                                          std::string(inside::kHookRules),
                                          "--runtime",
                                          std::string(inside::kHookRuntime),
                                          "--plan",
                                          std::string(inside::kHookPlan),
                                          "--objects",
                                          std::string(kObjects),
                                          "--kept",
                                          std::string(inside::kHookedArchives)};
  command.arguments.insert(command.arguments.begin(), words.begin(), words.end());
  command.environment.push_back("TOOLEXEC_IMPORTPATH=" + source.package_path);  // as the go command tells a wrapper
  TRY(const UniqueFd rewriter, open_path(input.hooks->rewriter, O_RDONLY));
  TRY(Tool compiler,
      Tool::prepare(input.host, build_plan(paths, input.limits, unique_id("compile"), 0), rewriter.get()));
  TRY_STATUS(compiler.start(command, -1));
  return compiler;
}

Result<Tool> prepare_linker(const ReplayInput& input, const ReplaySource& source, const Recipe& recipe,
                            BuildPaths paths, const std::string& archive) {
  TRY(std::string packages,
      read_file(input.hooks ? input.hooks->archives_path : input.std_library.packages_path, Bytes{1 << 20}));
  std::string configuration =
      fmt::format("packagefile {}={}\n{}", source.package_path, kArchive, import_configuration(packages, nullptr));
  if (input.hooks) {
    configuration += fmt::format("packagefile {}={}\n", kHookPackage, inside::kHookRuntime);
    paths.more = input.hooks->mounts;
  }
  configuration += recipe.modinfo_line(source) + "\n";
  paths.output_file = input.output_file;
  paths.more.push_back(launch::BindMount{archive, std::string(kArchive), false, false});
  paths.more.push_back(launch::FileMount{std::string(kLinkConfig), std::move(configuration)});
  return Tool::prepare(input.host, build_plan(paths, input.limits, unique_id("link"), 0), input.toolchain,
                       "pkg/tool/linux_amd64/link");
}

// A limit is an answer; a refusal by the compiler is the go command's to explain.
bool is_answer(const launch::Facts& facts, const Limits& limits) {
  return facts.ended != launch::EndedBySupervisor::none ||
         read_failure(facts, limits).limit != BuildFailure::Limit::none;
}

}  // namespace

std::optional<Recipe> Recipe::parse(std::string_view dry_run) {
  Recipe recipe;
  unsigned compiles = 0, links = 0, modinfos = 0;
  while (!dry_run.empty()) {
    auto end = dry_run.find('\n');
    std::string_view line = dry_run.substr(0, end);
    dry_run = end == std::string_view::npos ? std::string_view() : dry_run.substr(end + 1);
    if (line.starts_with("modinfo ")) {
      recipe.modinfo = line;
      ++modinfos;
    } else if (auto compile = tool_words(line, "compile")) {
      recipe.compile = std::move(*compile);
      ++compiles;
    } else if (auto link = tool_words(line, "link")) {
      recipe.link = std::move(*link);
      ++links;
    } else if (line.find("/pkg/tool/") != std::string_view::npos) {
      return std::nullopt;  // another tool has a part in it
    }
  }
  if (compiles != 1 || links != 1 || modinfos != 1) return std::nullopt;
  if (recipe.compile.back() != "./main.go" || recipe.link.back() != "$WORK/b001/_pkg_.a") return std::nullopt;
  recipe.compile.pop_back();
  recipe.link.pop_back();
  for (auto& word : recipe.compile) word = replace_all(word, ";$WORK/b001=>", ";/gotmp/work=>");
  bool known = replace_value(recipe.compile, "-o", inside::kOutput) &&
               replace_value(recipe.compile, "-importcfg", kCompileConfig) &&
               replace_value(recipe.link, "-o", inside::kOutput) &&
               replace_value(recipe.link, "-importcfg", kLinkConfig);
  if (!known || mentions_work(recipe.compile) || mentions_work(recipe.link)) return std::nullopt;
  return recipe;
}

std::string Recipe::save() const {
  std::string text;
  for (const auto& word : compile) text += "compile " + word + "\n";
  for (const auto& word : link) text += "link " + word + "\n";
  return text + modinfo + "\nend\n";
}

std::optional<Recipe> Recipe::load(std::string_view text) {
  Recipe recipe;
  bool whole = false;
  while (!text.empty() && !whole) {
    auto end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.starts_with("compile "))
      recipe.compile.emplace_back(line.substr(8));
    else if (line.starts_with("link "))
      recipe.link.emplace_back(line.substr(5));
    else if (line.starts_with("modinfo "))
      recipe.modinfo = line;
    else if (line == "end")
      whole = true;
    else
      return std::nullopt;
  }
  if (!whole || recipe.compile.empty() || recipe.link.empty() || recipe.modinfo.empty()) return std::nullopt;
  return recipe;
}

std::vector<std::string> Recipe::compile_command(const ReplaySource& source) const {
  std::vector<std::string> command = compile;
  std::string placeholder = source.module.empty() ? "command-line-arguments" : std::string(kPlaceholderModule);
  for (auto& word : command)
    word = replace_all(word, fmt::format("{}=>{};", inside::kSource, placeholder),
                       fmt::format("{}=>{};", inside_directory(source), source.package_path));
  for (const auto& file : source.files) command.push_back("./" + file);
  return command;
}

std::vector<std::string> Recipe::link_command() const {
  std::vector<std::string> command = link;
  command.emplace_back(kArchive);
  return command;
}

std::string Recipe::modinfo_line(const ReplaySource& source) const {
  if (source.module.empty()) return modinfo;
  std::string line = replace_all(modinfo, fmt::format("path\\t{}\\n", kPlaceholderModule),
                                 fmt::format("path\\t{}\\n", source.package_path));
  return replace_all(line, fmt::format("mod\\t{}\\t", kPlaceholderModule), fmt::format("mod\\t{}\\t", source.module));
}

Result<std::optional<launch::Facts>> replay(const ReplayInput& input, const ReplaySource& source) {
  auto recipe = recipe_for(input, source);
  if (!recipe && recipe.error().sys_errno == ECANCELED) return std::move(recipe).error();
  if (!recipe) return std::optional<launch::Facts>();  // an unknown release, or a go line it refuses
  const std::string archive = input.run_directory + "/main.a";
  TRY(UniqueFd archive_fd, make_output(archive));
  TRY(BuildPaths paths, paths_of(input.toolchain));
  paths.std_cache = input.hooks ? input.hooks->std_cache : input.std_library.path;
  paths.plain_cache = true;
  TRY(Tool compiler, start_compiler(input, source, *recipe, paths, archive));
  // The linker's sandbox is made while the compiler runs.
  auto linker = prepare_linker(input, source, *recipe, paths, archive);
  TRY(launch::Facts compiled, compiler.wait(input.cancel_fd));
  if (!succeeded(compiled))
    return is_answer(compiled, input.limits) ? std::optional(std::move(compiled)) : std::nullopt;
  // What the rewriter has to say is for a person to read, and for make_hooked to know how.
  if (input.hooks && !compiled.stderr_stream.captured.empty()) return std::optional<launch::Facts>();
  if (!linker) return std::move(linker).error();
  BuildCommand command = build_command({}, input.limits, processors());
  command.arguments = recipe->link_command();
  std::replace(command.environment.begin(), command.environment.end(), fmt::format("GOROOT={}", inside::kGoroot),
               std::string("GOROOT="));
  TRY_STATUS(linker->start(command, -1));
  TRY(launch::Facts linked, linker->wait(input.cancel_fd));
  if (!succeeded(linked) && !is_answer(linked, input.limits)) return std::optional<launch::Facts>();
  return std::optional(std::move(linked));
}

}  // namespace sandbox_run::go_build
