#include "hooks/program_image.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace sandbox_run::hooks {
namespace {

constexpr std::uint64_t kMaxSections = 1 << 16;
constexpr std::uint64_t kMaxSegments = 1 << 10;

Error failed(const std::string& why) { return input_error("cannot read the hooks in the program: " + why); }

template <class T>
bool read_at(std::string_view file, std::uint64_t offset, T& value) {
  if (offset > file.size() || file.size() - offset < sizeof value) return false;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return true;
}

bool read_section(std::string_view file, const Elf64_Ehdr& header, std::uint64_t index, Elf64_Shdr& found) {
  return header.e_shoff <= file.size() && read_at(file, header.e_shoff + index * sizeof found, found);
}

std::optional<std::string_view> contents(std::string_view file, const Elf64_Shdr& section) {
  if (section.sh_offset > file.size() || section.sh_size > file.size() - section.sh_offset) return std::nullopt;
  return file.substr(section.sh_offset, section.sh_size);
}

}  // namespace

void ProgramImage::Unmap::operator()(const char* data) const { ::munmap(const_cast<char*>(data), size); }

Result<ProgramImage> ProgramImage::of(std::string_view file) {
  Elf64_Ehdr header;
  if (!read_at(file, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr) ||
      header.e_phentsize != sizeof(Elf64_Phdr))
    return failed("it is no 64-bit ELF file");
  ProgramImage image;
  image.file_ = file;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(header.e_phnum, kMaxSegments); ++i) {
    Elf64_Phdr segment;
    if (header.e_phoff > file.size() || !read_at(file, header.e_phoff + i * sizeof segment, segment))
      return failed("its program headers lie outside the file");
    if (segment.p_type == PT_LOAD) image.segments_.push_back(segment);
  }
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(header.e_shnum, kMaxSections); ++i) {
    Elf64_Shdr table, strings;
    if (!read_section(file, header, i, table) || table.sh_type != SHT_SYMTAB) continue;
    if (!read_section(file, header, table.sh_link, strings)) break;
    const auto symbols = contents(file, table);
    const auto names = contents(file, strings);
    if (!symbols || !names) break;
    image.symbols_ = *symbols;
    image.names_ = *names;
    return image;
  }
  return failed("it has no symbol table: a traced program is built without -ldflags=-s");
}

Result<ProgramImage> ProgramImage::map(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return host_error(errno, "cannot examine the program to read its hooks");
  if (info.st_size <= 0) return failed("it is empty");
  const auto size = static_cast<std::size_t>(info.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return host_error(errno, "cannot map the program to read its hooks");
  std::unique_ptr<const char, Unmap> mapping(static_cast<const char*>(data), Unmap{size});
  TRY(ProgramImage image, of({mapping.get(), size}));
  image.mapping_ = std::move(mapping);
  return image;
}

std::optional<std::string_view> ProgramImage::loaded_from(std::uint64_t address) const {
  for (const Elf64_Phdr& segment : segments_) {
    if (address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz) continue;
    const std::uint64_t offset = address - segment.p_vaddr;
    if (segment.p_offset > file_.size() || file_.size() - segment.p_offset <= offset) continue;
    return file_.substr(segment.p_offset + offset, segment.p_filesz - offset);
  }
  return std::nullopt;
}

std::optional<std::string_view> ProgramImage::loaded(std::uint64_t address, std::uint64_t length) const {
  const auto bytes = loaded_from(address);
  if (!bytes || bytes->size() < length) return std::nullopt;
  return bytes->substr(0, length);
}

std::optional<std::uint64_t> ProgramImage::file_offset(std::uint64_t address) const {
  const auto bytes = loaded_from(address);
  if (!bytes) return std::nullopt;
  return static_cast<std::uint64_t>(bytes->data() - file_.data());
}

std::size_t ProgramImage::symbols() const { return symbols_.size() / sizeof(Elf64_Sym); }

std::optional<ProgramImage::Symbol> ProgramImage::symbol(std::size_t i) const {
  Elf64_Sym entry;
  if (!read_at(symbols_, i * sizeof entry, entry)) return std::nullopt;
  if (entry.st_name >= names_.size() || entry.st_shndx == SHN_UNDEF) return std::nullopt;
  // A name's end is sought within the bound of any name that matters: hostile tables would make this quadratic.
  std::string_view name = names_.substr(entry.st_name, kMaxName);
  name = name.substr(0, name.find('\0'));
  return Symbol{name, entry.st_value, entry.st_size, ELF64_ST_TYPE(entry.st_info) == STT_FUNC,
                ELF64_ST_BIND(entry.st_info) == STB_GLOBAL};
}

}  // namespace sandbox_run::hooks
