#include "report/go_failure.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace sandbox_run::report {
namespace {

constexpr std::size_t kWindow = 256 << 10;
constexpr std::size_t kMessageLimit = 4096;
constexpr std::size_t kNameLimit = 512;

struct Opening {
  std::string_view prefix;
  GoFailure::Kind kind;
};

// Longest first where one is the start of another.
constexpr Opening kOpenings[] = {
    {"fatal error: all goroutines are asleep - deadlock!", GoFailure::Kind::deadlock},
    {"fatal error: no goroutines (main called runtime.Goexit) - deadlock!", GoFailure::Kind::deadlock},
    {"fatal error: stack overflow", GoFailure::Kind::stack_overflow},
    {"fatal error: out of memory", GoFailure::Kind::out_of_memory},
    {"fatal error: runtime: out of memory", GoFailure::Kind::out_of_memory},
    {"fatal error: runtime: cannot allocate memory", GoFailure::Kind::out_of_memory},
    {"fatal error: ", GoFailure::Kind::fatal_error},
    {"panic: ", GoFailure::Kind::panic},
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

const Opening* opening_of(std::string_view line) {
  for (const Opening& opening : kOpenings)
    if (line.starts_with(opening.prefix)) return &opening;
  return nullptr;
}

bool starts_trace(std::string_view line) { return line.starts_with("goroutine ") && line.ends_with("]:"); }

// "main.f(0x1, ...)" or "main.(*T).m(...)": what stands before the argument list.
std::string_view function_name(std::string_view frame) {
  if (!frame.ends_with(")")) return {};
  std::size_t open = frame.rfind('(');
  return frame.substr(0, open);
}

// "\t/src/main.go:7 +0x1d" → "main.go:7"; the last directories of a package are kept, the root's are not known here.
std::string location_of(std::string_view line) {
  if (!line.starts_with("\t")) return {};
  line.remove_prefix(1);
  if (std::size_t space = line.rfind(" +0x"); space != std::string_view::npos) line = line.substr(0, space);
  std::size_t colon = line.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == line.size()) return {};
  for (char c : line.substr(colon + 1))
    if (!std::isdigit(static_cast<unsigned char>(c))) return {};
  if (line.starts_with("./")) line.remove_prefix(2);
  return std::string(line.substr(0, kNameLimit));
}

bool is_runtime_frame(std::string_view function) {
  return function.starts_with("runtime.") || function == "panic" || function.starts_with("internal/runtime/");
}

// The first frame of the first trace that is not the runtime's own: where the program was when it failed.
void read_trace(const std::vector<std::string_view>& lines, std::size_t from, GoFailure& failure) {
  auto trace = std::find_if(lines.begin() + static_cast<std::ptrdiff_t>(from), lines.end(), starts_trace);
  if (trace == lines.end()) return;
  for (auto line = trace + 1; line != lines.end() && !line->empty(); ++line) {
    std::string_view function = function_name(*line);
    if (function.empty() || is_runtime_frame(function)) continue;
    failure.goroutine = std::string(function.substr(0, kNameLimit));
    if (line + 1 != lines.end()) failure.location = location_of(*(line + 1));
    return;
  }
}

std::string message_of(const std::vector<std::string_view>& lines, std::size_t at, const Opening& opening) {
  std::string_view first = lines[at];
  std::size_t colon = first.find(": ");
  std::string message(opening.kind == GoFailure::Kind::panic || opening.kind == GoFailure::Kind::fatal_error
                          ? first.substr(opening.prefix.size())
                          : first.substr(colon + 2));
  // A panic value may hold line breaks; the message ends at the blank line or at what the runtime adds.
  for (std::size_t i = at + 1; i < lines.size() && opening.kind == GoFailure::Kind::panic; ++i) {
    if (lines[i].empty() || lines[i].starts_with("[signal ") || lines[i].starts_with("\tpanic: ") ||
        starts_trace(lines[i]) || message.size() > kMessageLimit)
      break;
    message += '\n';
    message += lines[i];
  }
  if (message.size() > kMessageLimit) message.resize(kMessageLimit);
  return message;
}

}  // namespace

std::string_view go_failure_name(GoFailure::Kind kind) {
  switch (kind) {
    case GoFailure::Kind::panic:
      return "panic";
    case GoFailure::Kind::fatal_error:
      return "fatal_error";
    case GoFailure::Kind::deadlock:
      return "deadlock";
    case GoFailure::Kind::out_of_memory:
      return "out_of_memory";
    case GoFailure::Kind::stack_overflow:
      return "stack_overflow";
  }
  return "";
}

std::optional<GoFailure> parse_go_failure(std::string_view standard_error) {
  if (standard_error.size() > kWindow) standard_error.remove_prefix(standard_error.size() - kWindow);
  std::vector<std::string_view> lines = lines_of(standard_error);
  // The last opening that a trace follows counts: the runtime prints its own once, at the very end. An opening without
  // a trace counts where the text ends with it (GOTRACEBACK=none).
  std::size_t last_trace = lines.size();
  bool any_trace = false;
  for (std::size_t i = lines.size(); i-- > 0;) {
    if (starts_trace(lines[i]) || lines[i].starts_with("runtime stack:")) last_trace = i, any_trace = true;
    const Opening* opening = opening_of(lines[i]);
    if (opening == nullptr || !any_trace) continue;
    GoFailure failure;
    failure.kind = opening->kind;
    failure.message = message_of(lines, i, *opening);
    read_trace(lines, last_trace, failure);
    return failure;
  }
  return std::nullopt;
}

}  // namespace sandbox_run::report
