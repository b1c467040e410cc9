// ElfGate: what an executable must look like before anything of it may run. Source of the format: elf(5), <elf.h>.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sandbox_run::go_build {

enum class ElfPolicy {
  go_program,      // what our own build line makes: ET_EXEC, no PT_DYNAMIC at all
  static_program,  // any static x86-64 executable, static-pie too, as long as it asks for no interpreter and no library
};

// Why `file` may not run; nothing where it may. Every offset and size in it is taken for hostile.
std::optional<std::string> refuse_elf(std::string_view file, ElfPolicy policy);

// The same for an open file. REQUIRES: nobody can shrink it meanwhile (a sealed memfd, a file of our own).
// Fails with: Fault::host where it cannot be mapped.
Result<std::optional<std::string>> refuse_elf(int fd, ElfPolicy policy);

}  // namespace sandbox_run::go_build
