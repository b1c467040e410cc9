#include "ingest/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace sandbox_run::ingest {
namespace {

// Longer paths could not be opened below the directories a build mounts them at (PATH_MAX is 4096).
constexpr std::size_t kMaxPathBytes = 3072;

struct Range {
  char32_t first, last;
  const char* why;
};

// Characters no name may hold, by the reason a person is given. Sources: Unicode general categories Cc and Cf,
// Default_Ignorable_Code_Point, Bidi_Control; the look-alikes are those of Unicode's confusables for '/', '\' and '.'.
constexpr Range kForbidden[] = {
    {0x0000, 0x001F, "a control character"},
    {0x007F, 0x009F, "a control character"},
    {0x00AD, 0x00AD, "an invisible character"},
    {0x034F, 0x034F, "an invisible character"},
    {0x061C, 0x061C, "a character that changes the direction of text"},
    {0x115F, 0x1160, "an invisible character"},
    {0x17B4, 0x17B5, "an invisible character"},
    {0x180B, 0x180F, "an invisible character"},
    {0x200B, 0x200D, "an invisible character"},
    {0x200E, 0x200F, "a character that changes the direction of text"},
    {0x2024, 0x2026, "a character that looks like dots"},
    {0x2028, 0x2029, "a line separator"},
    {0x202A, 0x202E, "a character that changes the direction of text"},
    {0x2044, 0x2044, "a character that looks like a slash"},
    {0x2060, 0x2065, "an invisible character"},
    {0x2066, 0x2069, "a character that changes the direction of text"},
    {0x206A, 0x206F, "an invisible character"},
    {0x2215, 0x2216, "a character that looks like a slash"},
    {0x29F5, 0x29F5, "a character that looks like a slash"},
    {0x29F8, 0x29F9, "a character that looks like a slash"},
    {0x3164, 0x3164, "an invisible character"},
    {0xFDD0, 0xFDEF, "a code point that is no character"},
    {0xFE52, 0xFE52, "a character that looks like a dot"},
    {0xFE68, 0xFE68, "a character that looks like a backslash"},
    {0xFEFF, 0xFEFF, "an invisible character"},
    {0xFF0E, 0xFF0E, "a character that looks like a dot"},
    {0xFF0F, 0xFF0F, "a character that looks like a slash"},
    {0xFF3C, 0xFF3C, "a character that looks like a backslash"},
    {0xFFA0, 0xFFA0, "an invisible character"},
    {0xFFF0, 0xFFFB, "an invisible character"},
    {0xFFFE, 0xFFFF, "a code point that is no character"},
    {0xE0000, 0xE0FFF, "an invisible character"},
};

const char* forbidden(char32_t point) {
  auto at = std::lower_bound(std::begin(kForbidden), std::end(kForbidden), point,
                             [](const Range& row, char32_t wanted) { return row.last < wanted; });
  return at != std::end(kForbidden) && at->first <= point ? at->why : nullptr;
}

bool equal_ignoring_case(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(),
                    [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
}

// Names that mean a device to Windows, whatever extension follows.
bool is_device_name(std::string_view component) {
  const std::string_view stem = component.substr(0, component.find('.'));
  for (std::string_view name : {"con", "prn", "aux", "nul"})
    if (equal_ignoring_case(stem, name)) return true;
  return stem.size() == 4 && stem[3] >= '1' && stem[3] <= '9' &&
         (equal_ignoring_case(stem.substr(0, 3), "com") || equal_ignoring_case(stem.substr(0, 3), "lpt"));
}

// What is wrong with a component beyond its characters, or empty.
std::string_view unportable(std::string_view component) {
  if (is_device_name(component)) return "a component is the name of a device on other systems";
  if (component.back() == '.' || component.back() == ' ') return "a component ends in a dot or a space";
  if (component.front() == '-') return "a component starts with a dash, like a command line flag";
  if (component.find_first_of("<>:\"|?*") != std::string_view::npos)
    return "a component holds one of < > : \" | ? *, which other systems forbid";
  return {};
}

std::string component_problem(std::string_view component, const Limits& limits, NameRules rules) {
  if (component.empty()) return "a component is empty";
  if (component == ".") return "a component is '.'";
  if (component == "..") return "it leaves the tree through '..'";
  if (component.size() > limits.name_bytes)
    return fmt::format("a component has {} bytes, more than --max-name {}", component.size(), limits.name_bytes);
  if (rules == NameRules::portable) return std::string(unportable(component));
  return {};
}

std::string character_problem(std::string_view path) {
  while (!path.empty()) {
    if (path.front() == '\\') return "it holds a backslash";
    auto point = next_code_point(path);
    if (!point) return "it is not valid UTF-8";
    if (const char* why = forbidden(*point))
      return fmt::format("it holds {} (U+{:04X})", why, static_cast<std::uint32_t>(*point));
  }
  return {};
}

std::string path_problem(std::string_view path, const Limits& limits, NameRules rules) {
  if (path.empty()) return "the name is empty";
  if (path.front() == '/') return "the path is absolute";
  if (path.size() >= 2 && path[1] == ':' && ((path[0] | 0x20) >= 'a' && (path[0] | 0x20) <= 'z'))
    return "it starts with a drive letter";
  if (std::string problem = character_problem(path); !problem.empty()) return problem;
  std::uint32_t depth = 0;
  for (std::size_t start = 0; start <= path.size(); ++depth) {
    const std::size_t slash = std::min(path.find('/', start), path.size());
    if (depth >= limits.depth)
      return fmt::format("it has more than {} components; raise that cap with --max-depth", limits.depth);
    std::string problem = component_problem(path.substr(start, slash - start), limits, rules);
    if (!problem.empty()) return problem;
    start = slash + 1;
  }
  if (path.size() > kMaxPathBytes)
    return fmt::format("the path has {} bytes, more than {}", path.size(), kMaxPathBytes);
  return {};
}

std::string shown(std::string_view text, std::size_t longest, bool quoted) {
  std::string shown;
  while (!text.empty()) {
    if (shown.size() > longest) return shown + fmt::format("… ({} bytes more)", text.size());
    const std::string_view before = text;
    const auto point = next_code_point(text);
    if (!point) {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
      text.remove_prefix(1);
    } else if (*point < 0x80 && forbidden(*point)) {
      shown += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(*point));
    } else if (quoted && (*point == '"' || *point == '\\')) {
      shown += fmt::format("\\{}", before.front());
    } else if (forbidden(*point) && *point != 0x2026) {  // our own ellipsis
      shown += fmt::format("\\u{{{:04x}}}", static_cast<std::uint32_t>(*point));
    } else {
      shown += before.substr(0, before.size() - text.size());
    }
  }
  return shown;
}

}  // namespace

Status check_path(std::string_view path, const Limits& limits, NameRules rules) {
  std::string problem = path_problem(path, limits, rules);
  if (problem.empty()) return {};
  return input_error(fmt::format("refused the name \"{}\": {}", escape(path), problem));
}

std::string escape(std::string_view text) { return shown(text, 200, true); }

std::string printable(std::string_view message) { return shown(message, 2000, false); }

bool is_version_control_name(std::string_view component) {
  // CVS and _darcs as they are spelled: a package may well be called cvs.
  if (component == "CVS" || component == "_darcs" || component == "_FOSSIL_") return true;
  for (std::string_view name : {".git", ".hg", ".svn", ".bzr", ".jj", ".sl", ".pijul", ".fslckout"})
    if (equal_ignoring_case(component, name)) return true;
  return false;
}

}  // namespace sandbox_run::ingest
