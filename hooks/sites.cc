// Source of the structures: layout.h; of the functions that hold SYSCALL instructions:
// Go's src/internal/runtime/syscall (linux/ since 1.26), src/syscall/asm_linux_amd64.s, src/runtime/sys_linux_amd64.s
// and time_linux_amd64.s.
#include "hooks/sites.h"

#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "hooks/line_table.h"

namespace sandbox_run::hooks {
namespace {

constexpr std::uint64_t kMaxString = 4096;
constexpr std::uint64_t kMaxFunctionSize = 1024;  // of one that makes system calls: they are a dozen instructions
constexpr std::size_t kMaxReturns = 1 << 16;

// Package runtime has functions for these too, on Android: only somebody else's code can bring them into a program.
constexpr std::array kNeverOnLinux = {SYS_connect, SYS_socket, SYS_faccessat};

class Reader {
 public:
  explicit Reader(const ProgramImage& image) : image_(image) {}

  Result<Sites> read() {
    for (std::size_t i = 0; i < image_.symbols(); ++i) {
      const auto symbol = image_.symbol(i);
      if (!symbol) continue;
      if (symbol->function) {
        read_function(*symbol);
      } else if (is_site(symbol->name)) {
        TRY_STATUS(read_site(*symbol));
      }
    }
    std::sort(found_.sites.begin(), found_.sites.end(), [](auto& a, auto& b) { return a.address < b.address; });
    auto same = [](auto& a, auto& b) { return a.address == b.address; };
    if (std::adjacent_find(found_.sites.begin(), found_.sites.end(), same) != found_.sites.end())
      return failed("two sites share an address");
    std::sort(found_.system_call_returns.begin(), found_.system_call_returns.end());
    std::sort(found_.runtime_calls.begin(), found_.runtime_calls.end(),
              [](auto& a, auto& b) { return a.returns_to < b.returns_to; });
    std::sort(found_.hook_call_returns.begin(), found_.hook_call_returns.end());
    return std::move(found_);
  }

 private:
  static Error failed(const std::string& why) { return input_error("cannot read the hooks in the program: " + why); }

  // "os.sandboxSite_3"; where the package has such names of its own, there is more between the mark and the number.
  static bool is_site(std::string_view name) {
    constexpr std::string_view kMark = ".sandboxSite_";
    const std::size_t at = name.rfind(kMark);
    return at != std::string_view::npos && name.size() > at + kMark.size() && name.back() >= '0' && name.back() <= '9';
  }

  Status read_site(const ProgramImage::Symbol& symbol) {
    if (found_.sites.size() == kMaxSites) return failed(fmt::format("it has more than {} sites", kMaxSites));
    SiteRecord record;
    auto bytes = image_.loaded(symbol.address, sizeof record);
    if (bytes) std::memcpy(&record, bytes->data(), sizeof record);
    if (!bytes || record.magic != kSiteMagic) return {};  // a variable of the program's that is called so
    if (record.rule >= kMaxRules || record.inputs > kMaxInputs || record.kind < SiteKind::function ||
        record.kind > SiteKind::replace)
      return failed(fmt::format("what lies at 0x{:x} is no site", symbol.address));
    Site site{.address = symbol.address,
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
          from->length == 0 ? std::string_view() : image_.loaded(from->address, std::min(from->length, kMaxString + 1));
      if (!text || text->size() > kMaxString)
        return failed(fmt::format("a text of the site at 0x{:x} lies outside its data", symbol.address));
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

  // A package is known by the whole of its path: "runtime.test/x.f" is a function of a module that is called so.
  void read_function(const ProgramImage::Symbol& symbol) {
    if (symbol.local) return;
    std::string_view name = symbol.name;
    if (name.ends_with(".abi0")) name.remove_suffix(5);
    const bool general = name == "internal/runtime/syscall.Syscall6" ||
                         name == "internal/runtime/syscall/linux.Syscall6" || name == "syscall.rawVforkSyscall" ||
                         name == "syscall.rawSyscallNoError";
    const bool hooks = name == "internal/sandboxhook.systemCall";
    const bool runtime =
        name == "time.now" || (name.starts_with("runtime.") && name.find('/') == std::string_view::npos);
    if (!general && !hooks && !runtime) return;
    auto code = image_.loaded(symbol.address, symbol.size);
    if (!code || code->size() > kMaxFunctionSize) return;
    auto& returns = hooks ? found_.hook_call_returns : found_.system_call_returns;
    for (std::size_t at = 0; (at = code->find("\x0f\x05", at)) != std::string_view::npos; at += 2) {
      const std::uint64_t return_address = symbol.address + at + 2;
      if (returns.size() + found_.runtime_calls.size() >= kMaxReturns) return;
      if (!runtime) {
        returns.push_back(return_address);
      } else if (const auto number = number_before(*code, at); number && is_runtimes(return_address)) {
        found_.runtime_calls.push_back({return_address, *number});
      }
    }
  }

  // Package runtime puts each call's number into RAX right before the instruction: MOVL $n, AX or MOVQ $n, AX.
  static std::optional<int> number_before(std::string_view code, std::size_t at) {
    std::int32_t number = 0;
    if (at < sizeof number) return std::nullopt;
    std::memcpy(&number, code.data() + at - sizeof number, sizeof number);
    const std::string_view before = code.substr(0, at - sizeof number);
    if (!before.ends_with("\xb8") && !before.ends_with("\x48\xc7\xc0")) return std::nullopt;
    if (std::find(kNeverOnLinux.begin(), kNeverOnLinux.end(), number) != kNeverOnLinux.end()) return std::nullopt;
    return number;
  }

  // By the file it is from: the assembler lets any package define what is called runtime·something.
  bool is_runtimes(std::uint64_t return_address) const {
    if (!lines_) return true;
    const auto places = lines_->places(return_address);
    return !places.empty() && places.back().file.starts_with("runtime/");
  }

  const ProgramImage& image_;
  const std::optional<LineTable> lines_ = LineTable::of(image_);
  Sites found_;
};

}  // namespace

const Site* Sites::find(std::uint64_t address) const {
  auto at = std::lower_bound(sites.begin(), sites.end(), address,
                             [](const Site& site, std::uint64_t wanted) { return site.address < wanted; });
  return at != sites.end() && at->address == address ? &*at : nullptr;
}

const Sites::RuntimeCall* Sites::runtime_call(std::uint64_t returns_to) const {
  auto at = std::lower_bound(runtime_calls.begin(), runtime_calls.end(), returns_to,
                             [](const RuntimeCall& call, std::uint64_t wanted) { return call.returns_to < wanted; });
  return at != runtime_calls.end() && at->returns_to == returns_to ? &*at : nullptr;
}

Result<Sites> read_sites(const ProgramImage& image) { return Reader(image).read(); }

}  // namespace sandbox_run::hooks
