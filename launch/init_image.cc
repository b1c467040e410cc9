#include "launch/init_image.h"

// clang-format off
asm(".section .rodata\n"
    ".balign 16\n"
    "sandbox_run_init_begin:\n"
    ".incbin \"" SANDBOX_RUN_INIT_PATH "\"\n"
    "sandbox_run_init_end:\n"
    ".previous\n");
// clang-format on

extern "C" const char sandbox_run_init_begin[];
extern "C" const char sandbox_run_init_end[];

namespace sandbox_run::launch {

std::string_view init_image() {
  return {sandbox_run_init_begin, static_cast<std::size_t>(sandbox_run_init_end - sandbox_run_init_begin)};
}

}  // namespace sandbox_run::launch
