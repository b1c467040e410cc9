#include "go-build/compiler_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>

#include "base/text.h"
#include "go-build/build_code.h"
#include "go-build/inside.h"

namespace sandbox_run::go_build {
namespace {

// Longer messages are cut: a type printed by the compiler can have any length.
constexpr std::size_t kMaxMessage = 2000;

bool is_continuation(unsigned char byte) { return (byte & 0xc0) == 0x80; }

// A path starts where no name can go on: otherwise "github.com/me/src/x" would lose its middle.
bool starts_path(std::string_view line, std::size_t at) {
  if (at == 0) return true;
  auto c = static_cast<unsigned char>(line[at - 1]);
  return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '.' ||
           c == '_' || c == '-' || c == '@' || c == '~' || c >= 0x80);
}

struct PathRule {
  std::string_view inside;
  std::string_view shown;
  bool unescape = false;  // module cache paths write an upper-case letter as '!' and the lower-case one
};

// The longer first where one is the other's beginning.
constexpr std::array kRules = {
    PathRule{"/gomod/cache/download/", "", true}, PathRule{"/gomod/", "", true},   PathRule{"/goroot/", "$GOROOT/"},
    PathRule{"/gocache/", "$GOCACHE/"},           PathRule{"/gotmp/", "$TMPDIR/"}, PathRule{"/src/", ""},
    PathRule{"/out/program", "the program"},
};
static_assert(inside::kSource == "/src" && inside::kModules == "/gomod" && inside::kGoroot == "/goroot" &&
              inside::kCache == "/gocache" && inside::kTemporary == "/gotmp" && inside::kOutput == "/out/program");

bool ends_path(std::string_view line, std::size_t at) {
  return at >= line.size() || line[at] == ' ' || line[at] == ':' || line[at] == ')' || line[at] == ',' ||
         line[at] == '"' || line[at] == '\'' || line[at] == ';';
}

void append_unescaped(std::string_view line, std::size_t& at, std::string& out) {
  while (at < line.size() && !ends_path(line, at)) {
    if (line[at] == '!' && at + 1 < line.size() && line[at + 1] >= 'a' && line[at + 1] <= 'z') {
      out += static_cast<char>(line[at + 1] - 'a' + 'A');
      at += 2;
    } else {
      out += line[at++];
    }
  }
}

bool take_number(std::string_view& text, int& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() || number <= 0) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// "file:line:column: message" or "file:line: message".
std::optional<Diagnostic> positioned(std::string_view line) {
  for (auto colon = line.find(':'); colon != std::string_view::npos; colon = line.find(':', colon + 1)) {
    std::string_view file = line.substr(0, colon);
    if (file.empty() || file.find(": ") != std::string_view::npos || file.front() == '\t') return std::nullopt;
    std::string_view rest = line.substr(colon + 1);
    Diagnostic diagnostic;
    if (!take_number(rest, diagnostic.line)) continue;
    if (rest.starts_with(":")) {
      std::string_view after = rest.substr(1);
      if (take_number(after, diagnostic.column)) rest = after;
    }
    if (!rest.starts_with(": ")) continue;
    diagnostic.file = file.starts_with("./") ? file.substr(2) : file;
    diagnostic.message = rest.substr(2);
    return diagnostic;
  }
  return std::nullopt;
}

// "example.org/app/main.go:1:2: …" → "main.go:1:2: …" where main.go was submitted and the whole was not.
void use_submitted_name(std::string& line, const SubmittedFiles& submitted) {
  if (line.starts_with("go: ") || line.starts_with("#")) return;
  auto found = positioned(line);
  if (!found || submitted.has(found->file) || !line.starts_with(found->file)) return;
  for (auto slash = found->file.find('/'); slash != std::string::npos; slash = found->file.find('/', slash + 1)) {
    if (!submitted.has(found->file.substr(slash + 1))) continue;
    line.erase(0, slash + 1);
    return;
  }
}

// Lines that only say again that something failed.
bool is_noise(std::string_view line) {
  return line.empty() || (line.starts_with("asm: assembly of ") && line.ends_with(" failed")) ||
         line == "too many errors" || line.ends_with(": too many errors") || line == "go: errors parsing go.mod:" ||
         line.starts_with("FAIL\t");
}

Diagnostic read_line(std::string_view line, const SubmittedFiles* submitted) {
  Diagnostic diagnostic;
  std::string_view text = line;
  bool of_the_go_command = text.starts_with("go: ");
  if (of_the_go_command) text.remove_prefix(4);
  if (auto found = positioned(text); found && (!of_the_go_command || found->file.find(' ') == std::string::npos)) {
    diagnostic = std::move(*found);
    bool loading = of_the_go_command || diagnostic.file.ends_with("go.mod") ||
                   diagnostic.message.starts_with("package ") ||
                   diagnostic.message.starts_with("no required module ") ||
                   diagnostic.message.starts_with("cannot find ") || diagnostic.message.starts_with("pattern ");
    diagnostic.code = build_code_name(loading ? BuildCode::GB003 : BuildCode::GB001);
    if (submitted && !submitted->has(diagnostic.file)) {
      const bool is_note = diagnostic.message.starts_with("note: ");
      diagnostic = Diagnostic{is_note ? Diagnostic::Severity::note : Diagnostic::Severity::error,
                              diagnostic.code,
                              "",
                              0,
                              0,
                              std::string(text)};
    }
  } else {
    bool linking = text.find(": relocation target ") != std::string_view::npos || text.starts_with("link: ") ||
                   text.starts_with("function main is undeclared") || text.starts_with("loadinternal: ");
    diagnostic.code = build_code_name(linking ? BuildCode::GB002 : BuildCode::GB003);
    diagnostic.message = text;
  }
  if (diagnostic.message.starts_with("note: ")) diagnostic.severity = Diagnostic::Severity::note;
  return diagnostic;
}

void cut(std::string& message) {
  if (message.size() <= kMaxMessage) return;
  std::size_t end = kMaxMessage;
  while (end > 0 && is_continuation(static_cast<unsigned char>(message[end]))) --end;
  message.resize(end);
  message += "…";
}

}  // namespace

bool SubmittedFiles::has(std::string_view name) const {
  return paths.contains((std::filesystem::path(directory) / name).lexically_normal().string());
}

std::string submitter_paths(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (std::size_t at = 0; at < line.size();) {
    char c = line[at];
    if ((c != '/' && c != '.') || !starts_path(line, at)) {
      out += c;
      ++at;
      continue;
    }
    // The go command shortens a path to one relative to where it stands, below /src: ../gomod/x.
    std::size_t up = 0;
    while (line.substr(at + up).starts_with("../")) up += 3;
    if (up > 0) --up;
    std::string_view rest = line.substr(at + up);
    auto rule = std::find_if(kRules.begin(), kRules.end(), [&](const PathRule& r) {
      return rest.starts_with(r.inside) && (up == 0 || r.inside != "/src/");
    });
    if (rule != kRules.end()) {
      out += rule->shown;
      at += up + rule->inside.size();
      if (rule->unescape) append_unescaped(line, at, out);
    } else if (up == 0 && rest.starts_with("/src") && ends_path(line, at + 4)) {
      out += '.';
      at += 4;
    } else {
      out += c;
      ++at;
    }
  }
  return out;
}

CompilerMessages read_compiler_messages(std::string_view raw, Bytes total, Bytes cap, const SubmittedFiles* submitted) {
  CompilerMessages messages;
  messages.truncated = total.count > raw.size();
  bool entry_open = false;  // the line before belongs to a diagnostic that a tab may continue
  while (!raw.empty()) {
    auto end = raw.find('\n');
    std::string_view line = raw.substr(0, end);
    raw = end == std::string_view::npos ? std::string_view() : raw.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::string clean = escape_line(submitter_paths(line));
    if (submitted) use_submitted_name(clean, *submitted);
    if (messages.output.size() + clean.size() + 1 > cap.count) {
      messages.truncated = true;
      // A first line longer than the cap still says how it begins.
      if (messages.output.empty()) {
        cut(clean);
        if (clean.size() + 1 <= cap.count) messages.output = clean + "\n";
      }
      break;
    }
    messages.output += clean + "\n";
    if (clean.starts_with("# ") || is_noise(clean)) {
      entry_open = false;
      continue;
    }
    if (clean.starts_with("\t") && entry_open) {
      auto& message = messages.diagnostics.back().message;
      auto text = clean.substr(std::min(clean.find_first_not_of('\t'), clean.size()));
      if (message.size() < kMaxMessage) message += " " + text;
      cut(message);
      continue;
    }
    if (messages.diagnostics.size() >= kMaxDiagnostics) {
      messages.truncated = true;
      entry_open = false;
      continue;
    }
    messages.diagnostics.push_back(read_line(clean, submitted));
    cut(messages.diagnostics.back().message);
    entry_open = true;
  }
  return messages;
}

}  // namespace sandbox_run::go_build
