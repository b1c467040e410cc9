// LineTable: the functions, files and lines of a Go program's addresses, as its own stack traces print them, read from
// the table that its runtime reads. Every offset in it is taken for hostile.
// Source of the format: Go's src/runtime/symtab.go (pcHeader, pcvalue), runtime2.go (_func), symtabinl.go (inlinedCall)
// and src/internal/abi/symtab.go; the same from Go 1.20 to 1.27.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hooks/program_image.h"

namespace sandbox_run::hooks {

struct CodePlace {
  std::string function;
  std::string file;
  std::int32_t line = 0;
};

class LineTable {
 public:
  // nullopt: the program has no table of a format that is known here. REQUIRES: the image outlives it.
  static std::optional<LineTable> of(const ProgramImage& image);

  // What a return address returns to: functions that were inlined there first, the one whose frame it is last. Empty:
  // it is in no function. All look-ups together take at most kMaxSteps in the tables, which a program can make long:
  // what comes after that has no lines.
  std::vector<CodePlace> places(std::uint64_t return_address) const;

 private:
  struct Function {
    std::string_view record;  // from its beginning to the end of the table
    std::uint64_t entry = 0;
  };
  std::optional<Function> function_at(std::uint64_t address) const;
  // The value at an address of the program-counter table `offset`; nothing where there is none.
  std::optional<std::int32_t> value_at(std::uint32_t offset, std::uint64_t entry, std::uint64_t address) const;
  std::optional<std::string_view> inline_tree(const Function& function) const;
  CodePlace place(const Function& function, std::uint32_t name, std::uint64_t address) const;

  static constexpr std::uint64_t kMaxSteps = 64 << 20;

  const ProgramImage* image_ = nullptr;
  mutable std::uint64_t steps_left_ = kMaxSteps;
  std::uint64_t text_ = 0;           // the address that function entries count from
  std::uint64_t function_data_ = 0;  // the address that inline trees count from; 0: unknown
  std::uint64_t functions_count_ = 0;
  std::string_view names_, units_, files_, counters_, functions_;  // each to the end of the table
};

}  // namespace sandbox_run::hooks
