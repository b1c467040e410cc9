#include "go-build/replay_source.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace sandbox_run::go_build {
namespace {

using StdPackages = std::set<std::string, std::less<>>;

constexpr std::size_t kMostBytes = 4 << 20;

// A file of another language makes the go command run other tools, or refuse (cmd/go/internal/load, go/build).
constexpr std::array<std::string_view, 19> kOtherLanguages = {
    ".c", ".cc",  ".cpp", ".cxx", ".m", ".h",  ".hh",   ".hpp",     ".hxx", ".f",
    ".F", ".for", ".f90", ".s",   ".S", ".sx", ".swig", ".swigcxx", ".syso"};

// Go's comments that change which file is built or how. Found anywhere, even where they would mean nothing.
constexpr std::array<std::string_view, 6> kDirectives = {"//go:build", "+build",   "//go:embed",
                                                         "//go:debug", "//go:cgo", "//line "};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_byte(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }

bool plain_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.back() == '/') return false;
  for (std::size_t at = 0; at < path.size(); ++at) {
    char c = path[at];
    if (!is_name_byte(c) && c != '.' && c != '-' && c != '/' && c != '~') return false;
    bool starts_element = at == 0 || path[at - 1] == '/';
    if (starts_element && (c == '.' || c == '_' || c == '-' || c == '/' || c == '~')) return false;
    bool ends_element = at + 1 == path.size() || path[at + 1] == '/';
    if (ends_element && c == '.') return false;
  }
  return true;
}

// Just enough of Go's lexical grammar for the part before the first declaration.
class Head {
 public:
  explicit Head(std::string_view text) : text_(text) {}

  // Skips blanks and comments; `line_ended` where a newline (or a comment with one) was among them.
  void skip() {
    line_ended = false;
    for (; at_ < text_.size(); ++at_) {
      std::string_view rest = text_.substr(at_);
      if (rest.starts_with("//")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
        line_ended = true;
        if (at_ == text_.size()) return;
      } else if (rest.starts_with("/*")) {
        auto end = text_.find("*/", at_ + 2);
        if (end == std::string_view::npos) {
          at_ = text_.size();
          return;
        }
        if (text_.substr(at_, end - at_).find('\n') != std::string_view::npos) line_ended = true;
        at_ = end + 1;
      } else if (rest[0] == '\n') {
        line_ended = true;
      } else if (rest[0] != ' ' && rest[0] != '\t' && rest[0] != '\r') {
        return;
      }
    }
    line_ended = true;
  }
  bool done() const { return at_ >= text_.size(); }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view word() {
    std::size_t start = at_;
    while (!done() && is_name_byte(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }
  std::optional<std::string> string() {
    if (done() || (text_[at_] != '"' && text_[at_] != '`')) return std::nullopt;
    auto end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return plain_path(value) ? std::optional(value) : std::nullopt;
  }
  // A statement ends at ';', at a line's end, or before ')'.
  bool end_statement() {
    skip();
    return line_ended || take(';') || (!done() && text_[at_] == ')');
  }

  bool line_ended = false;

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<std::string> import_spec(Head& head) {
  if (!head.take('.')) head.word();  // a name, or '_', or nothing
  head.skip();
  auto path = head.string();
  if (!path || !head.end_statement()) return std::nullopt;
  return path;
}

bool plain_file_name(std::string_view name) {
  return !name.empty() && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_name_byte(c) || c == '.' || c == '-'; });
}

// A name with an underscore may hold a constraint (x_linux.go, x_arm64.go); knowing today's systems is not enough, for
// tomorrow's toolchain knows more.
bool may_be_constrained(std::string_view name) { return name.find('_') != std::string_view::npos; }

struct GoMod {
  std::string module;
  std::string go_line;
};

// `module` and `go`, in any order, and nothing else.
std::optional<GoMod> plain_go_mod(std::string_view text) {
  GoMod mod;
  while (!text.empty()) {
    auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    line = line.substr(0, line.find("//"));
    std::vector<std::string_view> words;
    for (std::size_t at = 0; (at = line.find_first_not_of(" \t\r", at)) != std::string_view::npos;) {
      auto stop = std::min(line.find_first_of(" \t\r", at), line.size());
      words.push_back(line.substr(at, stop - at));
      at = stop;
    }
    if (words.empty()) continue;
    if (words.size() != 2) return std::nullopt;
    if (words[0] == "module" && mod.module.empty() && plain_path(words[1]))
      mod.module = words[1];
    else if (words[0] == "go" && mod.go_line.empty())
      mod.go_line = words[1];
    else
      return std::nullopt;
  }
  bool numeric =
      std::all_of(mod.go_line.begin(), mod.go_line.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  if (mod.module.empty() || mod.go_line.empty() || !numeric) return std::nullopt;
  return mod;
}

// A module whose path is, or holds, one of the standard library's would be asked before or after it: not for us to
// know.
bool shadows_std(const std::string& module, const StdPackages& std_packages) {
  std::string first = module.substr(0, module.find('/'));
  if (first == "std" || first == "cmd" || first == "vendor" || first == "internal") return true;
  auto at = std_packages.lower_bound(first);
  return at != std_packages.end() && (*at == first || at->starts_with(first + "/"));
}

bool ordinary_import(const std::string& path, const StdPackages& std_packages) {
  if (path == "unsafe") return true;
  // These change how the go command links.
  for (const char* special : {"C", "plugin", "runtime/cgo", "runtime/race", "runtime/msan", "runtime/asan"})
    if (path == special) return false;
  if (path.starts_with("cmd/") || path.starts_with("vendor/")) return false;
  if (("/" + path + "/").find("/internal/") != std::string::npos) return false;
  return std_packages.contains(path);
}

// Adds the file's imports; false where the go command has to look.
bool ordinary_file(const std::string& text, const StdPackages& std_packages, std::set<std::string>& all_imports) {
  if (text.find('\0') != std::string::npos || text.starts_with("\xef\xbb\xbf")) return false;
  for (auto directive : kDirectives)
    if (text.find(directive) != std::string::npos) return false;
  auto imports = plain_imports(text);
  if (!imports) return false;
  all_imports.insert(imports->begin(), imports->end());
  return std::all_of(imports->begin(), imports->end(), [&](const auto& i) { return ordinary_import(i, std_packages); });
}

// The names of the package's files, or nothing where the directory holds anything that needs thought.
std::optional<std::vector<std::string>> package_files(const ingest::Submission& submission,
                                                      const std::string& directory,
                                                      const std::vector<std::string>& named) {
  std::string prefix = directory.empty() ? "" : directory + "/";
  std::vector<std::string> names;
  std::set<std::string> folded;
  for (const auto& file : submission.files) {
    if (!file.path.starts_with(prefix)) continue;
    std::string name = file.path.substr(prefix.size());
    if (name.find('/') != std::string::npos) continue;
    auto dot = name.rfind('.');
    std::string extension = dot == std::string::npos ? "" : name.substr(dot);
    if (std::find(kOtherLanguages.begin(), kOtherLanguages.end(), extension) != kOtherLanguages.end())
      return std::nullopt;
    if (extension != ".go") continue;
    if (!named.empty() && std::find(named.begin(), named.end(), file.path) == named.end()) continue;
    if (name.ends_with("_test.go") && named.empty()) continue;
    if (!plain_file_name(name) || name[0] == '.' || may_be_constrained(name)) return std::nullopt;
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!folded.insert(lower).second) return std::nullopt;
    names.push_back(name);
  }
  if (names.empty() || (!named.empty() && names.size() != named.size())) return std::nullopt;
  return names;
}

}  // namespace

std::optional<std::vector<std::string>> plain_imports(std::string_view text) {
  Head head(text);
  std::vector<std::string> imports;
  head.skip();
  if (head.word() != "package") return std::nullopt;
  head.skip();
  if (head.word() != "main" || !head.end_statement()) return std::nullopt;
  for (;;) {
    head.skip();
    if (head.done()) return imports;
    Head before = head;
    if (before.word() != "import") return imports;  // the first declaration: what follows is the compiler's business
    head.word();
    head.skip();
    if (!head.take('(')) {
      auto path = import_spec(head);
      if (!path) return std::nullopt;
      imports.push_back(*path);
      continue;
    }
    for (head.skip(); !head.take(')'); head.skip()) {
      auto path = import_spec(head);
      if (!path) return std::nullopt;
      imports.push_back(*path);
    }
    if (!head.end_statement()) return std::nullopt;
  }
}

std::optional<ReplaySource> replay_source(const ingest::Submission& submission, const BuildTarget& target,
                                          const StdPackages& std_packages, const ReadFile& read) {
  if (target.test_binary || target.vendored || !target.tags.empty() || target.directory != ".") return std::nullopt;
  ReplaySource source;
  if (submission.has_go_mod) {
    if (!target.files.empty()) return std::nullopt;
    auto text = read("go.mod");
    auto mod = text ? plain_go_mod(*text) : std::nullopt;
    if (!mod || shadows_std(mod->module, std_packages)) return std::nullopt;
    for (const auto& file : submission.files) {
      bool another_module = file.path.ends_with("/go.mod");
      if ((file.path == "go.sum" && file.size.count > 0) || file.path.starts_with("vendor/") || another_module)
        return std::nullopt;
    }
    source.module = mod->module;
    source.go_line = mod->go_line;
    source.directory = target.package == "." ? "" : target.package.substr(2);
    if (!source.directory.empty() && !plain_path(source.directory)) return std::nullopt;
    source.package_path = source.module + (source.directory.empty() ? "" : "/" + source.directory);
  } else {
    if (target.files.empty()) return std::nullopt;
    auto slash = target.files[0].rfind('/');
    source.directory = slash == std::string::npos ? "" : target.files[0].substr(0, slash);
    if (!source.directory.empty()) return std::nullopt;
    source.package_path = "command-line-arguments";
  }
  auto names = package_files(submission, source.directory, target.files);
  if (!names) return std::nullopt;
  source.files = std::move(*names);
  std::size_t bytes = 0;
  for (const auto& name : source.files) {
    auto text = read(source.directory.empty() ? name : source.directory + "/" + name);
    if (!text || (bytes += text->size()) > kMostBytes || !ordinary_file(*text, std_packages, source.imports))
      return std::nullopt;
  }
  return source;
}

}  // namespace sandbox_run::go_build
