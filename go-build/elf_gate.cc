#include "go-build/elf_gate.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>

namespace sandbox_run::go_build {
namespace {

// The kernel's own bound (binfmt_elf reads at most 64 KiB of program headers); real programs have about ten.
constexpr std::uint64_t kMaxProgramHeaders = 1170;

template <class T>
bool read_at(std::string_view file, std::uint64_t offset, T& value) {
  if (offset > file.size() || file.size() - offset < sizeof value) return false;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return true;
}

std::optional<std::string> refuse_header(const Elf64_Ehdr& header, ElfPolicy policy) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "it is not an ELF file";
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return "it is a 32-bit executable; only x86-64 runs here";
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) return "it is big-endian; only x86-64 runs here";
  if (header.e_ident[EI_VERSION] != EV_CURRENT) return "its ELF version is unknown";
  if (header.e_machine != EM_X86_64)
    return fmt::format("it is for another machine (ELF machine {}); only x86-64 runs here", header.e_machine);
  if (header.e_type == ET_REL) return "it is an object file, not a program";
  if (header.e_type == ET_CORE) return "it is a core dump, not a program";
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return "it is no executable";
  if (header.e_type == ET_DYN && policy == ElfPolicy::go_program)
    return "it is position-independent or a shared object, which the build line cannot have made";
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return "its program headers have an unknown size";
  if (header.e_phnum == 0) return "it has no program headers";
  if (header.e_phnum > kMaxProgramHeaders) return "it has more program headers than the kernel reads";
  return std::nullopt;
}

// Only the entries up to DT_NULL count, as for a loader. A segment without an end is refused.
std::optional<std::string> refuse_dynamic(std::string_view file, const Elf64_Phdr& segment) {
  for (std::uint64_t at = 0; at + sizeof(Elf64_Dyn) <= segment.p_filesz; at += sizeof(Elf64_Dyn)) {
    Elf64_Dyn entry;
    if (!read_at(file, segment.p_offset + at, entry)) return "its dynamic section lies outside the file";
    if (entry.d_tag == DT_NULL) return std::nullopt;
    if (entry.d_tag == DT_NEEDED) return "it needs shared libraries (DT_NEEDED); only static programs run here";
  }
  return "its dynamic section has no end";
}

std::optional<std::string> refuse_segment(std::string_view file, const Elf64_Phdr& segment, ElfPolicy policy) {
  switch (segment.p_type) {
    case PT_INTERP:
      return "it asks for a program interpreter (PT_INTERP): it is dynamically linked; only static programs run here";
    case PT_DYNAMIC:
      if (policy == ElfPolicy::go_program) return "it has a dynamic section, which a static Go program never has";
      return refuse_dynamic(file, segment);
    case PT_GNU_STACK:
      if (segment.p_flags & PF_X) return "it asks for an executable stack";
      return std::nullopt;
    case PT_LOAD:
      if ((segment.p_flags & PF_W) && (segment.p_flags & PF_X))
        return fmt::format("its segment at 0x{:x} is writable and executable at once", segment.p_vaddr);
      if (segment.p_filesz > segment.p_memsz) return "a segment has more in the file than in memory";
      if (segment.p_vaddr + segment.p_memsz < segment.p_vaddr) return "a segment wraps around the address space";
      return std::nullopt;
    default:  // p_type is a number of the file's, not an enum of ours; the kernel ignores the rest
      return std::nullopt;
  }
}

}  // namespace

std::optional<std::string> refuse_elf(std::string_view file, ElfPolicy policy) {
  Elf64_Ehdr header;
  if (!read_at(file, 0, header)) {
    if (file.size() >= SELFMAG && std::memcmp(file.data(), ELFMAG, SELFMAG) == 0)
      return "it is cut off within its header";
    return "it is not an ELF file";
  }
  if (auto refusal = refuse_header(header, policy)) return refusal;
  bool executable_segment = false;
  for (std::uint64_t index = 0; index < header.e_phnum; ++index) {
    Elf64_Phdr segment;
    if (header.e_phoff > file.size() || !read_at(file, header.e_phoff + index * sizeof segment, segment))
      return "its program headers lie outside the file";
    if (segment.p_offset > file.size() || file.size() - segment.p_offset < segment.p_filesz)
      return fmt::format("segment {} lies outside the file: it is cut off or damaged", index);
    if (auto refusal = refuse_segment(file, segment, policy)) return refusal;
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X)) executable_segment = true;
  }
  if (!executable_segment) return "it has nothing executable in it";
  return std::nullopt;
}

Result<std::optional<std::string>> refuse_elf(int fd, ElfPolicy policy) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return host_error(errno, "cannot examine the executable");
  if (!S_ISREG(info.st_mode)) return std::optional<std::string>("it is not a regular file");
  if (info.st_size == 0) return std::optional<std::string>("it is empty");
  auto size = static_cast<std::size_t>(info.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return host_error(errno, "cannot map the executable to check it");
  auto refusal = refuse_elf(std::string_view(static_cast<const char*>(data), size), policy);
  ::munmap(data, size);
  return refusal;
}

}  // namespace sandbox_run::go_build
