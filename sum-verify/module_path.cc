#include "sum-verify/module_path.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "sum-verify/semver.h"
#include "sum-verify/unicode.h"

namespace sandbox_run::sum_verify {
namespace {

enum class PathKind { module, import, file };

const char* kind_name(PathKind kind) {
  switch (kind) {
    case PathKind::module:
      return "module";
    case PathKind::import:
      return "import";
    case PathKind::file:
      return "file";
  }
  return "";
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (byte < 0x20 || byte >= 0x7F) {
      constexpr char kHex[] = "0123456789abcdef";
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + "\"";
}

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_ascii_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool allowed_in(PathKind kind, char32_t rune) {
  if (rune >= 0x80) return kind == PathKind::file && is_letter(rune);
  if (is_digit(rune) || is_ascii_letter(rune)) return true;
  constexpr std::string_view kModule = "-._~", kImport = "-._~+", kFile = "!#$%&()+,-.=@[]^_{}~ ";
  const std::string_view extra = kind == PathKind::module ? kModule : kind == PathKind::import ? kImport : kFile;
  return extra.find(static_cast<char>(rune)) != std::string_view::npos;
}

// Device names that Windows finds in every directory, whatever follows the first dot.
bool is_windows_device(std::string_view name) {
  constexpr std::array<std::string_view, 4> kPlain = {"con", "prn", "aux", "nul"};
  const std::string folded = fold_case(name);
  if (std::find(kPlain.begin(), kPlain.end(), folded) != kPlain.end()) return true;
  return folded.size() == 4 && (folded.starts_with("com") || folded.starts_with("lpt")) && folded[3] >= '1' &&
         folded[3] <= '9';
}

// What is wrong with one path element; empty where nothing is.
std::string element_problem(std::string_view element, PathKind kind) {
  if (element.empty()) return "empty path element";
  if (element.find_first_not_of('.') == std::string_view::npos) return "invalid path element " + in_quotes(element);
  if (element.front() == '.' && kind == PathKind::module) return "leading dot in path element";
  if (element.back() == '.') return "trailing dot in path element";
  for (std::string_view rest = element; !rest.empty();) {
    const std::string_view before = rest;
    if (!allowed_in(kind, next_rune(rest))) {
      return "invalid char " + in_quotes(before.substr(0, before.size() - rest.size()));
    }
  }
  const std::string_view stem = element.substr(0, element.find('.'));
  if (is_windows_device(stem)) return in_quotes(stem) + " disallowed as path element component on Windows";
  if (kind == PathKind::file) return "";
  const std::size_t tilde = stem.rfind('~');
  if (tilde != std::string_view::npos && tilde + 1 < stem.size() &&
      std::all_of(stem.begin() + static_cast<std::ptrdiff_t>(tilde) + 1, stem.end(),
                  [](char c) { return is_digit(c); })) {
    return "trailing tilde and digits in path element";
  }
  return "";
}

std::string path_problem(std::string_view path, PathKind kind) {
  if (!is_valid_utf8(path)) return "invalid UTF-8";
  if (path.empty()) return "empty string";
  if (path[0] == '-' && kind != PathKind::file) return "leading dash";
  if (path.find("//") != std::string_view::npos) return "double slash";
  if (path.back() == '/') return "trailing slash";
  while (true) {
    const std::size_t slash = path.find('/');
    if (std::string problem = element_problem(path.substr(0, slash), kind); !problem.empty()) return problem;
    if (slash == std::string_view::npos) return "";
    path.remove_prefix(slash + 1);
  }
}

std::string module_path_problem(std::string_view path) {
  if (std::string problem = path_problem(path, PathKind::module); !problem.empty()) return problem;
  const std::string_view host = path.substr(0, path.find('/'));
  if (host.find('.') == std::string_view::npos) return "missing dot in first path element";
  for (const char c : host) {
    if (!(c == '-' || c == '.' || is_digit(c) || (c >= 'a' && c <= 'z'))) {
      return "invalid char " + in_quotes({&c, 1}) + " in first path element";
    }
  }
  if (!split_path_version(path)) return "invalid version";
  return "";
}

Status answer(PathKind kind, std::string_view path, const std::string& problem) {
  if (problem.empty()) return {};
  return input_error("malformed " + std::string(kind_name(kind)) + " path " + in_quotes(path) + ": " + problem);
}

std::size_t trailing(std::string_view text, bool dots) {
  std::size_t start = text.size();
  while (start > 0 && (is_digit(text[start - 1]) || (dots && text[start - 1] == '.'))) --start;
  return start;
}

std::optional<std::pair<std::string, std::string>> split_at(std::string_view path, std::size_t position) {
  return std::pair(std::string(path.substr(0, position)), std::string(path.substr(position)));
}

// gopkg.in names the major version after a dot, for every major version, and allows "-unstable" behind it.
std::optional<std::pair<std::string, std::string>> split_gopkg_in(std::string_view path) {
  std::string_view stem = path;
  if (stem.ends_with("-unstable")) stem.remove_suffix(9);
  const std::size_t digits = trailing(stem, false);
  if (digits <= 1 || stem[digits - 1] != 'v' || stem[digits - 2] != '.') return std::nullopt;
  const std::string_view major = path.substr(digits - 2);
  if (major.size() <= 2 || (major[2] == '0' && major != ".v0")) return std::nullopt;
  return split_at(path, digits - 2);
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= 'A' && c <= 'Z') {
      out += '!';
      out += static_cast<char>(c + ('a' - 'A'));
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x80 || (c >= 'A' && c <= 'Z')) return std::nullopt;
    if (c == '!') {
      if (++i == text.size() || text[i] < 'a' || text[i] > 'z') return std::nullopt;
      c = static_cast<char>(text[i] - ('a' - 'A'));
    }
    out += c;
  }
  return out;
}

bool is_version_name(std::string_view version) {
  const bool ascii =
      std::all_of(version.begin(), version.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return ascii && element_problem(version, PathKind::file).empty() && version.find('!') == std::string_view::npos;
}

}  // namespace

Status check_module_path(std::string_view path) { return answer(PathKind::module, path, module_path_problem(path)); }

Status check_import_path(std::string_view path) {
  return answer(PathKind::import, path, path_problem(path, PathKind::import));
}

Status check_file_path(std::string_view path) {
  return answer(PathKind::file, path, path_problem(path, PathKind::file));
}

Status check_module_version(const ModuleVersion& module) {
  TRY_STATUS(check_module_path(module.path));
  const std::string where = module.path + "@" + module.version + ": invalid version: ";
  if (!parse_semver(module.version)) return input_error(where + "not a semantic version");
  if (const std::string canonical = canonical_version(module.version); canonical != module.version) {
    return input_error("version " + in_quotes(module.version) + " of " + module.path + " is not canonical (should be " +
                       in_quotes(canonical) + ")");
  }
  const auto split = split_path_version(module.path);
  if (!version_matches_path_major(module.version, split->second)) {
    const std::string want = split->second.empty() ? "v0 or v1" : split->second.substr(1);
    return input_error(where + "should be " + want + ", not " + semver_major(module.version));
  }
  return {};
}

std::optional<std::pair<std::string, std::string>> split_path_version(std::string_view path) {
  if (path.starts_with("gopkg.in/")) return split_gopkg_in(path);
  const std::size_t digits = trailing(path, true);
  if (digits <= 1 || digits == path.size() || path[digits - 1] != 'v' || path[digits - 2] != '/') {
    return split_at(path, path.size());
  }
  const std::string_view major = path.substr(digits - 2);
  if (major.find('.') != std::string_view::npos || major[2] == '0' || major == "/v1") return std::nullopt;
  return split_at(path, digits - 2);
}

bool version_matches_path_major(std::string_view version, std::string_view path_major) {
  if (path_major.starts_with(".v") && path_major.ends_with("-unstable")) path_major.remove_suffix(9);
  // gopkg.in v1 modules were once given pseudo-versions of v0, and go.sum files still name them.
  if (version.starts_with("v0.0.0-") && path_major == ".v1") return true;
  const std::string major = semver_major(version);
  if (!path_major.empty()) return major == path_major.substr(1);
  const auto parsed = parse_semver(version);
  return major == "v0" || major == "v1" || (parsed && parsed->build == "+incompatible");
}

Result<std::string> escape_path(std::string_view path) {
  TRY_STATUS(check_module_path(path));
  return escape(path);
}

Result<std::string> escape_version(std::string_view version) {
  if (!is_version_name(version))
    return input_error("version " + in_quotes(version) + " invalid: disallowed version string");
  return escape(version);
}

Result<std::string> unescape_path(std::string_view escaped) {
  const auto path = unescape(escaped);
  if (!path || !check_module_path(*path)) return input_error("invalid escaped module path " + in_quotes(escaped));
  return *path;
}

Result<std::string> unescape_version(std::string_view escaped) {
  const auto version = unescape(escaped);
  if (!version || !is_version_name(*version)) return input_error("invalid escaped version " + in_quotes(escaped));
  return *version;
}

std::string fold_case(std::string_view text) {
  std::string folded;
  folded.reserve(text.size());
  while (!text.empty()) append_utf8(folded, fold_rune(next_rune(text)));
  return folded;
}

}  // namespace sandbox_run::sum_verify
