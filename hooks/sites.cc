// Source of the format: elf(5), <elf.h>; of the structures: layout.h; of the functions that hold SYSCALL instructions:
// Go's src/internal/runtime/syscall (linux/ since 1.26), src/syscall/asm_linux_amd64.s, src/runtime/sys_linux_amd64.s.
#include "hooks/sites.h"

#include <elf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace sandbox_run::hooks {
namespace {

constexpr std::uint64_t kMaxSections = 1 << 16;
constexpr std::uint64_t kMaxSegments = 1 << 10;
constexpr std::uint64_t kMaxString = 4096;
constexpr std::uint64_t kMaxFunctionSize = 1024;  // of one that makes system calls: they are a dozen instructions
constexpr std::size_t kMaxReturns = 1 << 16;

template <class T>
bool read_at(std::string_view file, std::uint64_t offset, T& value) {
  if (offset > file.size() || file.size() - offset < sizeof value) return false;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return true;
}

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  Result<Sites> read() {
    Elf64_Ehdr header;
    if (!read_at(file_, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr) ||
        header.e_phentsize != sizeof(Elf64_Phdr))
      return failed("it is no 64-bit ELF file");
    TRY_STATUS(read_segments(header));
    Elf64_Shdr symbols, strings;
    if (!find_symbols(header, symbols, strings))
      return failed("it has no symbol table: a traced program is built without -ldflags=-s");
    TRY_STATUS(read_symbols(symbols, strings));
    std::sort(found_.sites.begin(), found_.sites.end(), [](auto& a, auto& b) { return a.address < b.address; });
    auto same = [](auto& a, auto& b) { return a.address == b.address; };
    if (std::adjacent_find(found_.sites.begin(), found_.sites.end(), same) != found_.sites.end())
      return failed("two sites share an address");
    std::sort(found_.system_call_returns.begin(), found_.system_call_returns.end());
    std::sort(found_.runtime_call_returns.begin(), found_.runtime_call_returns.end());
    return std::move(found_);
  }

 private:
  static Error failed(const std::string& why) { return input_error("cannot read the hooks in the program: " + why); }

  Status read_segments(const Elf64_Ehdr& header) {
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(header.e_phnum, kMaxSegments); ++i) {
      Elf64_Phdr segment;
      if (header.e_phoff > file_.size() || !read_at(file_, header.e_phoff + i * sizeof segment, segment))
        return failed("its program headers lie outside the file");
      if (segment.p_type == PT_LOAD) segments_.push_back(segment);
    }
    return {};
  }

  // The file's bytes that are loaded at an address; nothing where they are not all there.
  std::optional<std::string_view> loaded(std::uint64_t address, std::uint64_t length) const {
    for (const Elf64_Phdr& segment : segments_) {
      if (address < segment.p_vaddr || address - segment.p_vaddr > segment.p_filesz) continue;
      const std::uint64_t offset = address - segment.p_vaddr;
      if (segment.p_filesz - offset < length || segment.p_offset > file_.size() ||
          file_.size() - segment.p_offset < offset || file_.size() - segment.p_offset - offset < length)
        continue;
      return file_.substr(segment.p_offset + offset, length);
    }
    return std::nullopt;
  }

  bool section(const Elf64_Ehdr& header, std::uint64_t index, Elf64_Shdr& found) const {
    return header.e_shoff <= file_.size() && read_at(file_, header.e_shoff + index * sizeof found, found);
  }

  bool find_symbols(const Elf64_Ehdr& header, Elf64_Shdr& symbols, Elf64_Shdr& strings) const {
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(header.e_shnum, kMaxSections); ++i)
      if (section(header, i, symbols) && symbols.sh_type == SHT_SYMTAB)
        return section(header, symbols.sh_link, strings) && inside(symbols) && inside(strings);
    return false;
  }
  bool inside(const Elf64_Shdr& part) const {
    return part.sh_offset <= file_.size() && part.sh_size <= file_.size() - part.sh_offset;
  }

  Status read_symbols(const Elf64_Shdr& symbols, const Elf64_Shdr& strings) {
    const std::string_view names = file_.substr(strings.sh_offset, strings.sh_size);
    for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= symbols.sh_size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      read_at(file_, symbols.sh_offset + at, symbol);
      if (symbol.st_name >= names.size() || symbol.st_shndx == SHN_UNDEF) continue;
      // A name's end is sought within the bound of any name that matters: hostile tables would make this quadratic.
      std::string_view name = names.substr(symbol.st_name, kMaxString);
      name = name.substr(0, name.find('\0'));
      const auto type = ELF64_ST_TYPE(symbol.st_info);
      if (type == STT_FUNC) {
        read_function(name, symbol);
      } else if (is_site(name)) {
        TRY_STATUS(read_site(symbol));
      }
    }
    return {};
  }

  // "os.sandboxSite_3"; where the package has such names of its own, there is more between the mark and the number.
  static bool is_site(std::string_view name) {
    constexpr std::string_view kMark = ".sandboxSite_";
    const std::size_t at = name.rfind(kMark);
    return at != std::string_view::npos && name.size() > at + kMark.size() && name.back() >= '0' && name.back() <= '9';
  }

  Status read_site(const Elf64_Sym& symbol) {
    if (found_.sites.size() == kMaxSites) return failed(fmt::format("it has more than {} sites", kMaxSites));
    SiteRecord record;
    auto bytes = loaded(symbol.st_value, sizeof record);
    if (bytes) std::memcpy(&record, bytes->data(), sizeof record);
    if (!bytes || record.magic != kSiteMagic) return {};  // a variable of the program's that is called so
    if (record.rule >= kMaxRules || record.inputs > kMaxInputs || record.kind < SiteKind::function ||
        record.kind > SiteKind::replace)
      return failed(fmt::format("what lies at 0x{:x} is no site", symbol.st_value));
    Site site{.address = symbol.st_value,
              .rule = record.rule,
              .kind = record.kind,
              .line = record.line,
              .column = record.column,
              .record = record.record,
              .options = record.options};
    std::string names;
    for (auto [from, to] : {std::pair{&record.function, &site.function}, std::pair{&record.file, &site.file},
                            std::pair{&record.names, &names}, std::pair{&record.text, &site.text}}) {
      auto text =
          from->length == 0 ? std::string_view() : loaded(from->address, std::min(from->length, kMaxString + 1));
      if (!text || text->size() > kMaxString)
        return failed(fmt::format("a text of the site at 0x{:x} lies outside its data", symbol.st_value));
      to->assign(*text);
    }
    const std::size_t middle = std::min(names.find(';'), names.size());
    site.inputs = split(std::string_view(names).substr(0, middle));
    site.results = split(std::string_view(names).substr(std::min(middle + 1, names.size())));
    found_.sites.push_back(std::move(site));
    return {};
  }

  static std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> parts;
    while (!list.empty()) {
      const std::size_t comma = std::min(list.find(','), list.size());
      parts.emplace_back(list.substr(0, comma));
      list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return parts;
  }

  void read_function(std::string_view name, const Elf64_Sym& symbol) {
    if (name.ends_with(".abi0")) name.remove_suffix(5);
    const bool general = (name.starts_with("internal/runtime/syscall") && name.ends_with(".Syscall6")) ||
                         name == "syscall.rawVforkSyscall" || name == "syscall.rawSyscallNoError";
    if (!general && !name.starts_with("runtime.")) return;
    auto code = loaded(symbol.st_value, symbol.st_size);
    if (!code || code->size() > kMaxFunctionSize) return;
    auto& returns = general ? found_.system_call_returns : found_.runtime_call_returns;
    for (std::size_t at = 0; (at = code->find("\x0f\x05", at)) != std::string_view::npos; at += 2)
      if (returns.size() < kMaxReturns) returns.push_back(symbol.st_value + at + 2);
  }

  std::string_view file_;
  std::vector<Elf64_Phdr> segments_;
  Sites found_;
};

}  // namespace

const Site* Sites::find(std::uint64_t address) const {
  auto at = std::lower_bound(sites.begin(), sites.end(), address,
                             [](const Site& site, std::uint64_t wanted) { return site.address < wanted; });
  return at != sites.end() && at->address == address ? &*at : nullptr;
}

Result<Sites> read_sites(std::string_view elf) { return Reader(elf).read(); }

Result<Sites> read_sites(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return host_error(errno, "cannot examine the program to read its hooks");
  if (info.st_size <= 0) return input_error("cannot read the hooks in the program: it is empty");
  const auto size = static_cast<std::size_t>(info.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return host_error(errno, "cannot map the program to read its hooks");
  auto sites = read_sites(std::string_view(static_cast<const char*>(data), size));
  ::munmap(data, size);
  return sites;
}

}  // namespace sandbox_run::hooks
