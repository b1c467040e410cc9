// GoFailure: what a Go program's last words claim about its own end. Text of the program's, so a verdict never rests on
// it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandbox_run::report {

struct GoFailure {
  // runtime/panic.go, runtime/proc.go, runtime/malloc.go print these.
  enum class Kind { panic, fatal_error, deadlock, out_of_memory, stack_overflow };
  Kind kind = Kind::panic;
  std::string message;    // "runtime error: index out of range [5] with length 3"; at most 4 KiB
  std::string goroutine;  // the function at the top of the first goroutine's trace: "main.main"; empty if none is shown
  std::string
      location;  // "main.go:7" of that function, directories of the build's root cut off; empty if none is shown
};

std::string_view go_failure_name(GoFailure::Kind kind);

// Reads the last failure that `standard_error` shows. Bounded: looks at the last 256 KiB, linear time, any bytes.
// nullopt: the text claims none.
std::optional<GoFailure> parse_go_failure(std::string_view standard_error);

}  // namespace sandbox_run::report
