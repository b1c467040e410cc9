// ElfImage: a minimal executable with hook sites and functions in it, for tests.
#pragma once

#include <elf.h>

#include <cstring>
#include <string>
#include <vector>

#include "hooks/layout.h"

namespace sandbox_run::hooks {

class ElfImage {
 public:
  static constexpr std::uint64_t kBase = 0x400000;

  // Returns the address.
  std::uint64_t add(const std::string& bytes) {
    data_.resize((data_.size() + 7) & ~std::size_t{7}, '\0');
    data_ += bytes;
    return kBase + kData + data_.size() - bytes.size();
  }
  GoString text(const std::string& bytes) { return {add(bytes), bytes.size()}; }

  void symbol(const std::string& name, std::uint64_t address, std::uint64_t size, unsigned type,
              unsigned binding = STB_GLOBAL) {
    Elf64_Sym symbol{};
    symbol.st_name = static_cast<Elf64_Word>(names_.size());
    symbol.st_info = ELF64_ST_INFO(binding, type);
    symbol.st_shndx = 1;
    symbol.st_value = address;
    symbol.st_size = size;
    names_ += name + '\0';
    symbols_.push_back(symbol);
  }

  // os.OpenFile(name, flag) (#0, err), hooked by `rule`: a site as the rewriter writes it.
  std::uint64_t site(const std::string& name, std::uint32_t rule = 0, std::uint32_t options = kSiteHasExit,
                     SiteKind kind = SiteKind::function, const std::string& function = "os.OpenFile") {
    SiteRecord record{};
    record.magic = kSiteMagic;
    record.rule = rule;
    record.kind = kind;
    record.line = 385;
    record.column = 3;
    record.record = 3;
    record.options = options;
    record.inputs = 2;
    record.function = text(function);
    record.file = text("os/file.go");
    record.names = text("name,flag;#0,err");
    const std::uint64_t address = add(std::string(reinterpret_cast<const char*>(&record), sizeof record));
    symbol(name, address, sizeof record, STT_OBJECT);
    return address;
  }

  std::string bytes() const {
    const std::size_t symbols_at = kData + data_.size(), names_at = symbols_at + symbols_.size() * sizeof(Elf64_Sym);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    header.e_shoff = names_at + names_.size();
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 3;
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_vaddr = kBase;
    segment.p_filesz = segment.p_memsz = symbols_at;
    Elf64_Shdr sections[3]{};
    sections[1].sh_type = SHT_SYMTAB;
    sections[1].sh_offset = symbols_at;
    sections[1].sh_size = symbols_.size() * sizeof(Elf64_Sym);
    sections[1].sh_link = 2;
    sections[2].sh_type = SHT_STRTAB;
    sections[2].sh_offset = names_at;
    sections[2].sh_size = names_.size();
    std::string file(kData, '\0');
    std::memcpy(file.data(), &header, sizeof header);
    std::memcpy(file.data() + sizeof header, &segment, sizeof segment);
    file += data_;
    file.append(reinterpret_cast<const char*>(symbols_.data()), symbols_.size() * sizeof(Elf64_Sym));
    file += names_;
    file.append(reinterpret_cast<const char*>(sections), sizeof sections);
    return file;
  }

 private:
  static constexpr std::size_t kData = 128;  // behind the headers
  std::string data_;
  std::string names_ = std::string(1, '\0');
  std::vector<Elf64_Sym> symbols_ = {Elf64_Sym{}};
};

}  // namespace sandbox_run::hooks
