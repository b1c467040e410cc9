// Exports of a Trace: JSON lines, a Chrome trace, a summary for a terminal. Whatever bytes the program put into it come
// out as valid UTF-8 JSON, and as terminal-safe text.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "hooks/trace.h"

namespace sandbox_run::report {

// Where an export's text goes, piece by piece: a trace of 100,000 events is never in memory as text.
using TextSink = std::function<void(std::string_view)>;

// One object a line: first {"type":"trace",…}, then "change", "event" and "call" lines, "begun" ones, last "summary".
void write_json_lines(const hooks::Trace& trace, const TextSink& sink);

// The JSON array format of the Trace Event Format, which Perfetto and chrome://tracing open: one process is the claimed
// lane with a track per goroutine, another the witnessed lane with a track per thread.
void write_chrome_trace(const hooks::Trace& trace, const TextSink& sink);

// A few lines: the top functions by time, aborted calls, the join, what was lost or forged.
std::string trace_summary(const hooks::Trace& trace, std::size_t top = 10);

}  // namespace sandbox_run::report
