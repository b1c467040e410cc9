// Progress: the report of a request while it comes along its road, and the clock of its timeline.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/narrator.h"
#include "report/report.h"

namespace sandbox_run::runner {

// 16 hexadecimal digits from the kernel's random source: a report's id and a run's name.
std::string random_id();

// Takes the report of a run that others follow, as soon as it has ended; false: no other is wanted.
using ReportSink = std::function<bool(const report::Report&)>;

class Progress {
 public:
  explicit Progress(Narrator& the_narrator) : narrator(the_narrator) { report.id = random_id(); }

  // Another report, that begins now with what it has in common with others.
  void begin_again(const report::Report& common);

  // What `work` answers; how long it took is a line of the timeline.
  template <class Work>
  std::invoke_result_t<Work> timed(const char* stage, Work&& work) {
    narrator.note(std::string("stage: ") + stage);
    const Clock::time_point start = Clock::now();
    auto result = work();
    using std::chrono::duration_cast;
    using std::chrono::microseconds;
    report.timeline.push_back(
        {stage, duration_cast<microseconds>(start - begin_), duration_cast<microseconds>(Clock::now() - start)});
    return result;
  }

  void note(report::Note::About about, const std::vector<std::string>& sentences) {
    for (const std::string& sentence : sentences) report.notes.push_back({about, sentence});
  }

  report::Report report;
  Narrator& narrator;

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point begin_ = Clock::now();
};

}  // namespace sandbox_run::runner
