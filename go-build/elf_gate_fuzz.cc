// Whatever the bytes, the gate answers without touching memory outside them, and never lets a bad shape through.
#include <elf.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "go-build/elf_gate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sandbox_run::go_build;
  std::string copy(reinterpret_cast<const char*>(data), size);
  auto strict = refuse_elf(std::string_view(copy), ElfPolicy::go_program);
  auto relaxed = refuse_elf(std::string_view(copy), ElfPolicy::static_program);
  if (!strict && relaxed) std::abort();  // the strict policy accepts only what the relaxed one does
  if (!relaxed && (size < sizeof(Elf64_Ehdr) || std::memcmp(data, ELFMAG, SELFMAG) != 0)) std::abort();
  return 0;
}
