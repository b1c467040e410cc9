#include "cli/terminal.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>

#include "base/text.h"

namespace sandbox_run::cli {
namespace {

using std::chrono::seconds;

// Numbers over this are bytes rather than files or packages.
constexpr std::uint64_t kLooksLikeBytes = 1 << 20;

std::string amount(std::uint64_t value, std::uint64_t total) {
  return total >= kLooksLikeBytes ? format_bytes(Bytes{value}) : std::to_string(value);
}

void write_stderr(const std::string& text) {
  // A closed or full stderr is the caller's choice; there is nowhere to say so.
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string bar(std::string_view stage, std::uint64_t done, std::uint64_t total,
                std::chrono::duration<double> elapsed) {
  if (total == 0) return fmt::format("{} {} …", stage, amount(done, done));
  const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  constexpr int kWidth = 24;
  const int filled = static_cast<int>(part * kWidth);
  std::string left;
  if (part > 0.02) left = fmt::format(", {:.0f} s left", elapsed.count() * (1 - part) / part);
  return fmt::format("{} [{}{}] {} of {}{}", stage, std::string(static_cast<std::size_t>(filled), '#'),
                     std::string(static_cast<std::size_t>(kWidth - filled), '.'), amount(done, total),
                     amount(total, total), left);
}

}  // namespace

TerminalNarrator::TerminalNarrator(Loudness loudness)
    : loudness_(loudness), is_terminal_(::isatty(STDERR_FILENO) == 1) {
  if (loudness_ != Loudness::verbose) return;
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("sandbox-run", std::make_shared<spdlog::sinks::stderr_sink_st>()));
  spdlog::set_pattern("%H:%M:%S.%f %v");
}

TerminalNarrator::~TerminalNarrator() { clear(); }

void TerminalNarrator::note(const std::string& sentence) {
  if (loudness_ != Loudness::verbose) return;
  clear();
  spdlog::info("{}", escape_line(sentence));
}

void TerminalNarrator::progress(std::string_view stage, std::uint64_t done, std::uint64_t total) {
  if (loudness_ == Loudness::quiet) return;
  Clock::time_point now = Clock::now();
  if (stage_ != stage) {
    clear();
    stage_ = stage;
    stage_begin_ = now;
    last_drawn_ = now;
    return;
  }
  // What is over within a second is never announced.
  const auto pause = is_terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10'000);
  if (now - stage_begin_ < seconds(1) || (now - last_drawn_ < pause && last_drawn_ != stage_begin_)) return;
  last_drawn_ = now;
  std::string line = bar(escape_line(stage), done, total, now - stage_begin_);
  write_stderr(is_terminal_ ? "\r\x1b[K" + line : "sandbox-run: " + line + "\n");
  bar_shown_ = is_terminal_;
}

void TerminalNarrator::clear() {
  if (bar_shown_) write_stderr("\r\x1b[K");
  bar_shown_ = false;
}

void say(std::string_view message) { write_stderr("sandbox-run: " + escape_line(message) + "\n"); }

namespace {

std::string place_of(const Diagnostic& diagnostic) {
  std::string place = diagnostic.file;
  if (diagnostic.line > 0) place += ":" + std::to_string(diagnostic.line);
  if (diagnostic.line > 0 && diagnostic.column > 0) place += ":" + std::to_string(diagnostic.column);
  return place.empty() ? "" : place + ": ";
}

void print_diagnostics(const report::Report& report) {
  for (const Diagnostic& diagnostic : report.diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::note) continue;
    std::string text = place_of(diagnostic) + diagnostic.message;
    for (std::size_t at = 0; at <= text.size();) {  // Go's own texts have line breaks; they are ours to keep
      std::size_t end = std::min(text.find('\n', at), text.size());
      write_stderr(escape_line(std::string_view(text).substr(at, end - at)) + "\n");
      at = end + 1;
    }
  }
}

void print_lines(std::string_view text) {
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    write_stderr(escape_line(text.substr(0, end)) + "\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string claim_of(const report::Report& report) {
  if (!report.go_failure) return "";
  const report::GoFailure& failure = *report.go_failure;
  std::string first_line = failure.message.substr(0, failure.message.find('\n'));
  std::string kind(report::go_failure_name(failure.kind));
  std::replace(kind.begin(), kind.end(), '_', ' ');
  return fmt::format(" (it says: {}: {}{})", kind, first_line,
                     failure.location.empty() ? "" : " at " + failure.location);
}

}  // namespace

void print_outcome(const report::Report& report, bool all_notes) {
  for (const report::Note& note : report.notes)
    if (all_notes || note.about == report::Note::About::collection) say(note.text);
  if (report.verdict == report::Verdict::ok) return;
  // Whoever reads our stdout has enough ("… | head -1"): a shell says nothing of it either.
  if (report.signal == SIGPIPE) return;
  if (report.verdict == report::Verdict::verify_failed && !report.diagnostics.empty()) {
    print_diagnostics(report);
    say("verify failed: nothing was built; the lines above say why");
    return;
  }
  if (report.stage == report::Stage::build) print_lines(report.build_output);
  const bool is_own_words = report.stage == report::Stage::run || report.verdict == report::Verdict::canceled;
  std::string prefix;
  if (!is_own_words && report.verdict != report::Verdict::internal_error) {
    prefix = std::string(report::verdict_name(report.verdict));
    std::replace(prefix.begin(), prefix.end(), '_', ' ');
    prefix += ": ";
  }
  say(prefix + report.message.substr(0, report.message.find('\n')) + claim_of(report));
}

}  // namespace sandbox_run::cli
