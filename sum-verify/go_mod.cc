#include "sum-verify/go_mod.h"

#include <algorithm>
#include <array>
#include <optional>

#include "sum-verify/go_mod_lexer.h"
#include "sum-verify/go_version.h"
#include "sum-verify/module_path.h"
#include "sum-verify/semver.h"
#include "sum-verify/text.h"

namespace sandbox_run::sum_verify {
namespace {

// All path syntaxes, Windows' too: files move between systems.
bool is_directory_path(std::string_view path) {
  if (path == "." || path == "..") return true;
  for (const std::string_view start : {"./", ".\\", "../", "..\\", "/", "\\"}) {
    if (path.starts_with(start)) return true;
  }
  return path.size() >= 2 && path[1] == ':' && ((path[0] | 0x20) >= 'a' && (path[0] | 0x20) <= 'z');
}

bool is_indirect(std::string_view comment) {
  if (!comment.starts_with("//")) return false;
  const auto words = fields(comment.substr(2));
  return (words.size() == 1 && words[0] == "indirect") || (words.size() > 1 && words[0] == "indirect;");
}

// ^v?(([1-9]\d*)\.(0|[1-9]\d*))([^0-9].*)$: what old tools wrote into go lines of dependencies.
std::string lax_go_version(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return "";
  std::size_t end = dot + 1;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  const std::string version(text.substr(0, end));
  return end < text.size() && is_go_version(version) ? version : "";
}

class Reader {
 public:
  explicit Reader(GoModRole role) : role_(role) {}

  GoModParse read(std::string_view text) {
    const std::vector<GoModStatement> statements = lex_go_mod(text, result_.problems);
    if (!result_.problems.empty()) return std::move(result_);
    for (const GoModStatement& statement : statements) {
      const std::string& verb = statement.head.tokens[0];
      if (!statement.is_block) {
        GoModLine line = statement.head;
        line.tokens.erase(line.tokens.begin());
        add(verb, line);
      } else if (statement.head.tokens.size() > 1 || !takes_block(verb)) {
        if (strict()) problem(statement.head, "unknown block type: " + verb);
      } else {
        for (const GoModLine& line : statement.lines) add(verb, line);
      }
    }
    return std::move(result_);
  }

 private:
  bool strict() const { return role_ != GoModRole::dependency; }

  bool takes_block(std::string_view verb) const {
    constexpr std::array<std::string_view, 8> kMod = {"module",  "godebug", "require", "exclude",
                                                      "replace", "retract", "tool",    "ignore"};
    constexpr std::array<std::string_view, 3> kWork = {"godebug", "use", "replace"};
    return role_ == GoModRole::workspace ? std::find(kWork.begin(), kWork.end(), verb) != kWork.end()
                                         : std::find(kMod.begin(), kMod.end(), verb) != kMod.end();
  }

  bool knows(std::string_view verb) const {
    constexpr std::array<std::string_view, 5> kDependency = {"go", "module", "retract", "require", "ignore"};
    constexpr std::array<std::string_view, 5> kWork = {"go", "toolchain", "godebug", "use", "replace"};
    constexpr std::array<std::string_view, 10> kMain = {"go",      "toolchain", "module",  "godebug", "require",
                                                        "exclude", "replace",   "retract", "tool",    "ignore"};
    const auto has = [&](const auto& list) { return std::find(list.begin(), list.end(), verb) != list.end(); };
    switch (role_) {
      case GoModRole::main_module:
        return has(kMain);
      case GoModRole::dependency:
        return has(kDependency);
      case GoModRole::workspace:
        return has(kWork);
    }
    return false;
  }

  void problem(const GoModLine& line, const std::string& message) {
    result_.problems.push_back({line.line, 0, message});
  }

  void add(const std::string& verb, const GoModLine& line) {
    if (!knows(verb)) {
      if (strict()) problem(line, "unknown directive: " + verb);
      return;
    }
    GoMod& mod = result_.mod;
    if (verb == "go") return add_go(line);
    if (verb == "toolchain") return add_toolchain(line);
    if (verb == "module") return add_module(line);
    if (verb == "godebug") return add_godebug(line);
    if (verb == "require" || verb == "exclude") return add_requirement(verb, line);
    if (verb == "replace") return add_replace(line);
    if (verb == "retract") return check_retract(line);
    add_word(verb, line, verb == "tool" ? mod.tool : verb == "ignore" ? mod.ignore : mod.use);
  }

  void add_go(const GoModLine& line) {
    GoModWord& go = result_.mod.go;
    if (!go.text.empty()) return problem(line, "repeated go statement");
    if (line.tokens.size() != 1) return problem(line, "go directive expects exactly one argument");
    std::string version = line.tokens[0];
    if (!is_go_version(version)) {
      version = strict() ? "" : lax_go_version(version);
      if (version.empty()) {
        return problem(line, "invalid go version '" + line.tokens[0] + "': must match format 1.23.0");
      }
    }
    go = {version, line.line};
  }

  void add_toolchain(const GoModLine& line) {
    GoModWord& toolchain = result_.mod.toolchain;
    if (!toolchain.text.empty()) return problem(line, "repeated toolchain statement");
    if (line.tokens.size() != 1) return problem(line, "toolchain directive expects exactly one argument");
    const std::string& name = line.tokens[0];
    if (name != "default" && name != "go1" && !name.starts_with("go1.")) {
      return problem(line, "invalid toolchain version '" + name + "': must match format go1.23.0 or default");
    }
    toolchain = {name, line.line};
  }

  void add_module(const GoModLine& line) {
    GoModWord& module = result_.mod.module;
    if (module.line != 0) return problem(line, "repeated module statement");
    module.line = line.line;
    if (line.tokens.size() != 1) return problem(line, "usage: module module/path");
    if (const auto path = string_at(line, 0)) module.text = *path;
  }

  void add_godebug(const GoModLine& line) {
    if (line.tokens.size() != 1 || line.tokens[0].find_first_of("\"`',") != std::string::npos ||
        line.tokens[0].find('=') == std::string::npos) {
      return problem(line, "usage: godebug key=value");
    }
    result_.mod.godebug.push_back({line.tokens[0], line.line});
  }

  void add_word(const std::string& verb, const GoModLine& line, std::vector<GoModWord>& words) {
    if (line.tokens.size() != 1) return problem(line, verb + " directive expects exactly one argument");
    if (const auto word = string_at(line, 0)) words.push_back({*word, line.line});
  }

  void add_requirement(const std::string& verb, const GoModLine& line) {
    if (line.tokens.size() != 2) return problem(line, "usage: " + verb + " module/path v1.2.3");
    const auto path = string_at(line, 0);
    if (!path) return;
    const auto version = version_at(line, 1, *path);
    if (!version || !check_major(line, *path, *version)) return;
    if (verb == "require") {
      result_.mod.require.push_back({{*path, *version}, is_indirect(line.comment), line.line});
    } else {
      result_.mod.exclude.push_back({{*path, *version}, line.line});
    }
  }

  void add_replace(const GoModLine& line) {
    const auto& words = line.tokens;
    const std::size_t arrow = words.size() >= 2 && words[1] == "=>" ? 1 : 2;
    if (words.size() < arrow + 2 || words.size() > arrow + 3 || words[arrow] != "=>") {
      return problem(line, "usage: replace module/path [v1.2.3] => other/module v1.4 or ../local/directory");
    }
    const auto path = string_at(line, 0);
    if (!path) return;
    GoModReplace replace{{*path, ""}, {}, line.line};
    if (!split_path_version(*path)) return problem(line, "replace " + *path + ": invalid module path");
    if (arrow == 2) {
      const auto version = version_at(line, 1, *path);
      if (!version || !check_major(line, *path, *version)) return;
      replace.old.version = *version;
    }
    const auto target = string_at(line, arrow + 1);
    if (!target) return;
    replace.target.path = *target;
    if (words.size() == arrow + 2) {
      if (const std::string wrong = directory_problem(*target); !wrong.empty()) return problem(line, wrong);
    } else {
      const auto version = version_at(line, arrow + 2, *target);
      if (!version) return;
      if (is_directory_path(*target)) {
        return problem(line, "replacement module directory path " + quote(*target) + " cannot have version");
      }
      replace.target.version = *version;
    }
    result_.mod.replace.push_back(std::move(replace));
  }

  static std::string directory_problem(const std::string& target) {
    if (!is_directory_path(target)) {
      return target.find('@') != std::string::npos
                 ? "replacement module must match format 'path version', not 'path@version'"
                 : "replacement module without version must be directory path (rooted or starting with . or ..)";
    }
    if (target.find('\\') != std::string::npos || !(target[0] == '.' || target[0] == '/')) {
      return "replacement directory appears to be Windows path (on a non-windows system)";
    }
    return "";
  }

  // "v1.2.3" or "[v1, v2]". Nothing here depends on what is retracted, so only the form is checked.
  void check_retract(const GoModLine& line) {
    if (!strict()) return;
    const auto& words = line.tokens;
    const bool single = words.size() == 1 && words[0] != "(" && words[0] != "[";
    const bool interval = words.size() == 5 && words[0] == "[" && words[2] == "," && words[4] == "]";
    if (!single && !interval) return problem(line, "expected '[' or version");
    for (const std::size_t at : single ? std::vector<std::size_t>{0} : std::vector<std::size_t>{1, 3}) {
      (void)version_at(line, at, "");
    }
  }

  std::optional<std::string> string_at(const GoModLine& line, std::size_t at) {
    const std::string& word = line.tokens[at];
    if (word.starts_with('"')) {
      if (auto text = unquote(word)) return text;
      problem(line, "invalid quoted string: invalid syntax");
      return std::nullopt;
    }
    if (word.find_first_of("\"'`") == std::string::npos) return word;
    problem(line, "invalid quoted string: unquoted string cannot contain quote");
    return std::nullopt;
  }

  std::optional<std::string> version_at(const GoModLine& line, std::size_t at, const std::string& path) {
    const auto text = string_at(line, at);
    if (!text) return std::nullopt;
    const std::string canonical = canonical_version(*text);
    // In the main module Go would ask the network what "v1" or "master" is today; here go.mod has to say it.
    if (canonical.empty() || (strict() && canonical != *text)) {
      problem(line,
              (path.empty() ? "" : path + ": ") + "version " + quote(*text) + " invalid: must be of the form v1.2.3");
      return std::nullopt;
    }
    return canonical;
  }

  bool check_major(const GoModLine& line, const std::string& path, const std::string& version) {
    const auto split = split_path_version(path);
    if (!split) {
      problem(line, path + ": invalid module path");
      return false;
    }
    if (version_matches_path_major(version, split->second)) return true;
    const std::string want = split->second.empty() ? "v0 or v1" : split->second.substr(1);
    problem(line,
            path + ": version " + quote(version) + " invalid: should be " + want + ", not " + semver_major(version));
    return false;
  }

  GoModRole role_;
  GoModParse result_;
};

}  // namespace

GoModParse parse_go_mod(std::string_view text, GoModRole role) { return Reader(role).read(text); }

}  // namespace sandbox_run::sum_verify
