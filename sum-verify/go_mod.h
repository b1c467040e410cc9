// GoMod: what a go.mod says. Grammar and verbs: golang.org/x/mod/modfile, https://go.dev/ref/mod#go-mod-file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sum-verify/verified_tree.h"

namespace sandbox_run::sum_verify {

struct GoModRequire {
  ModuleVersion module;
  bool indirect = false;
  int line = 0;
};

struct GoModReplace {
  ModuleVersion old;     // version empty: every version
  ModuleVersion target;  // version empty: path is a directory, "./…", "../…" or absolute
  int line = 0;
  bool is_directory() const { return target.version.empty(); }
};

struct GoModExclude {
  ModuleVersion module;
  int line = 0;
};

struct GoModWord {
  std::string text;
  int line = 0;
};

struct GoMod {
  GoModWord module;     // empty text: no module line
  GoModWord go;         // "1.26"; empty text: no go line
  GoModWord toolchain;  // "go1.26.8", "default"
  std::vector<GoModRequire> require;
  std::vector<GoModReplace> replace;
  std::vector<GoModExclude> exclude;
  std::vector<GoModWord> tool, ignore, godebug;
  std::vector<GoModWord> use;  // go.work only
};

struct GoModProblem {
  int line = 0;
  int column = 0;  // in runes; 0: the whole line
  std::string message;
};

struct GoModParse {
  GoMod mod;
  std::vector<GoModProblem> problems;  // empty: the file is good
};

// main_module: every verb counts, unknown ones are errors, versions are canonical. dependency: only go, module,
// retract, require and ignore are looked at, so that files of a newer Go stay readable. workspace: the verbs of
// go.work.
enum class GoModRole { main_module, dependency, workspace };
GoModParse parse_go_mod(std::string_view text, GoModRole role);

}  // namespace sandbox_run::sum_verify
