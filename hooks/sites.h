// Sites: the hooks that are in a binary, and where in it system calls are made, read from its symbol table.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hooks/layout.h"
#include "hooks/program_image.h"

namespace sandbox_run::hooks {

struct Site {
  std::uint64_t address = 0;
  std::uint32_t rule = 0;
  SiteKind kind = SiteKind::function;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint64_t record = 0;
  std::uint32_t options = 0;
  std::string function;
  std::string file;
  std::vector<std::string> inputs;   // names
  std::vector<std::string> results;  // names
  std::string text;

  bool has_exit() const { return kind == SiteKind::function && (options & kSiteHasExit) != 0; }
};

struct Sites {
  std::vector<Site> sites;  // by address
  // The address after each SYSCALL instruction in the functions of the runtime and of package syscall that exist to
  // make system calls. A call from elsewhere was made by code that brought its own instruction. Sorted.
  std::vector<std::uint64_t> system_call_returns;  // internal/runtime/syscall, syscall: whatever the program asks for
  std::vector<std::uint64_t> hook_call_returns;    // the hook runtime: at its start
  // Package runtime, for its own needs: each instruction is there for one call, which is loaded right before it. With
  // another number, somebody jumped to it.
  struct RuntimeCall {
    std::uint64_t returns_to = 0;
    std::int64_t number = 0;
    auto operator<=>(const RuntimeCall&) const = default;
  };
  std::vector<RuntimeCall> runtime_calls;  // sorted

  bool is_runtime_call(std::int64_t number, std::uint64_t instruction_pointer) const;

  // nullptr: the address is no site's.
  const Site* find(std::uint64_t address) const;
};

// REQUIRES: a static executable at fixed addresses (go_build::refuse_elf has passed it).
// Fails with: Fault::input where a site lies outside it, or there are more than kMaxSites.
Result<Sites> read_sites(const ProgramImage& image);
constexpr std::size_t kMaxSites = 1 << 18;

}  // namespace sandbox_run::hooks
