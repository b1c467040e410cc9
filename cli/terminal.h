// What a person sees on stderr: stages with --verbose, a bar or plain lines for what takes over a second, closing
// lines.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/narrator.h"
#include "report/report.h"

namespace sandbox_run::cli {

enum class Loudness { quiet, normal, verbose };

// A Narrator for stderr. A bar with count and time left on a terminal; elsewhere a line at the start and every 10 s.
class TerminalNarrator final : public Narrator {
 public:
  explicit TerminalNarrator(Loudness loudness);
  ~TerminalNarrator() override;
  void note(const std::string& sentence) override;
  void progress(std::string_view stage, std::uint64_t done, std::uint64_t total) override;
  void clear();  // takes the bar away, so that something else can be printed

 private:
  using Clock = std::chrono::steady_clock;
  Loudness loudness_;
  bool is_terminal_;
  bool bar_shown_ = false;
  std::string stage_;
  Clock::time_point stage_begin_;
  Clock::time_point last_drawn_;
};

// "sandbox-run: MESSAGE" on stderr, control characters escaped.
void say(std::string_view message);

// What a person needs when a request did not end ok: findings, the compiler's text, and one closing line. Of the
// report's notes, those on what --out did not copy, or with `all_notes` every one.
void print_outcome(const report::Report& report, bool all_notes);

}  // namespace sandbox_run::cli
