// Rules for module paths, import paths and the names of files inside modules, and their escaped form on disk and in
// URLs. Source: golang.org/x/mod/module.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "sum-verify/verified_tree.h"

namespace sandbox_run::sum_verify {

// A path `go get` could fetch: leading element a lowercase domain with a dot, "/vN" only for N >= 2, gopkg.in with
// ".vN". Fails with: Fault::input, `malformed module path "…": reason`.
Status check_module_path(std::string_view path);

// Like the above without what only downloads need (a dot in the first element). Fails with: Fault::input.
Status check_import_path(std::string_view path);

// A '/'-separated file name inside a module that is valid on every system Go supports. Fails with: Fault::input.
Status check_file_path(std::string_view path);

// check_module_path, a canonical semantic version, and a major version that matches the path's suffix.
// Fails with: Fault::input.
Status check_module_version(const ModuleVersion& module);

// {"example.org/m", "/v2"}, {"gopkg.in/yaml", ".v3"}, {"example.org/m", ""}; nullopt where the suffix is malformed.
std::optional<std::pair<std::string, std::string>> split_path_version(std::string_view path);

// Whether `version` may stand beside a path whose version suffix is `path_major` ("/v2", ".v3", "").
bool version_matches_path_major(std::string_view version, std::string_view path_major);

// "github.com/Azure/x" → "github.com/!azure/x": uppercase letters become '!' and the lowercase one, so that two paths
// never meet on a file system that folds case. REQUIRES: nothing; the rules above are checked first.
// Fails with: Fault::input where the path or version is malformed.
Result<std::string> escape_path(std::string_view path);
Result<std::string> escape_version(std::string_view version);
Result<std::string> unescape_path(std::string_view escaped);
Result<std::string> unescape_version(std::string_view escaped);

// A name under simple case folding (Unicode CaseFolding.txt, status C and S, as far as Go's unicode.SimpleFold goes):
// equal results mean that a case-insensitive file system would make them one file.
std::string fold_case(std::string_view text);

}  // namespace sandbox_run::sum_verify
