// ProgramImage: a static executable as it is loaded, and its symbols. Every offset, size and address in it is taken for
// hostile. Source of the format: elf(5), <elf.h>.
#pragma once

#include <elf.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sandbox_run::hooks {

class ProgramImage {
 public:
  struct Symbol {
    std::string_view name;  // at most its first kMaxName bytes
    std::uint64_t address = 0;
    std::uint64_t size = 0;
    bool function = false;
    bool global = false;  // one of its name in the program: the linker refuses another; else many may have it
  };
  static constexpr std::size_t kMaxName = 4096;

  // REQUIRES: the bytes outlive the image. Fails with: Fault::input where it is no 64-bit ELF file with a symbol table.
  static Result<ProgramImage> of(std::string_view file);
  // REQUIRES: nobody can change the file meanwhile. Fails with: Fault::host too, where it cannot be mapped.
  static Result<ProgramImage> map(int fd);

  // The bytes that the file puts at an address; nothing where they are not all there.
  std::optional<std::string_view> loaded(std::uint64_t address, std::uint64_t length) const;
  // All that it puts from there on, in one piece.
  std::optional<std::string_view> loaded_from(std::uint64_t address) const;

  // Where in the file the byte at an address is.
  std::optional<std::uint64_t> file_offset(std::uint64_t address) const;

  std::size_t symbols() const;
  // Nothing where the entry is malformed or the symbol is defined elsewhere. REQUIRES: i < symbols().
  std::optional<Symbol> symbol(std::size_t i) const;

 private:
  struct Unmap {
    std::size_t size;
    void operator()(const char* data) const;
  };

  std::unique_ptr<const char, Unmap> mapping_;  // null for bytes of somebody else's
  std::string_view file_;
  std::vector<Elf64_Phdr> segments_;
  std::string_view symbols_;
  std::string_view names_;
};

}  // namespace sandbox_run::hooks
