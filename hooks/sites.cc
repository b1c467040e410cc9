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

namespace sandbox_run::hooks {
namespace {

constexpr std::uint64_t kMaxString = 4096;
constexpr std::uint64_t kMaxFunctionSize = 1024;  // of one that makes system calls: they are a dozen instructions
constexpr std::size_t kMaxReturns = 1 << 16;
constexpr std::string_view kSyscallInstruction = "\x0f\x05";

// What the functions of package runtime ask the kernel for on Linux. It has some for Android too (connect, socket,
// faccessat), which only somebody else's code can bring into a program; an assembly file may define more in its name.
constexpr std::array kRuntimeNumbers = {SYS_arch_prctl,
                                        SYS_brk,
                                        SYS_clock_gettime,
                                        SYS_clone,
                                        SYS_close,
                                        SYS_exit,
                                        SYS_exit_group,
                                        SYS_futex,
                                        SYS_getpid,
                                        SYS_gettid,
                                        SYS_kill,
                                        SYS_madvise,
                                        SYS_mincore,
                                        SYS_mmap,
                                        SYS_munmap,
                                        SYS_nanosleep,
                                        SYS_openat,
                                        SYS_pipe2,
                                        SYS_read,
                                        SYS_rt_sigaction,
                                        SYS_rt_sigprocmask,
                                        SYS_rt_sigreturn,
                                        SYS_sched_getaffinity,
                                        SYS_sched_yield,
                                        SYS_setitimer,
                                        SYS_sigaltstack,
                                        SYS_tgkill,
                                        SYS_timer_create,
                                        SYS_timer_delete,
                                        SYS_timer_settime,
                                        SYS_write};

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
    std::sort(found_.runtime_calls.begin(), found_.runtime_calls.end());
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

  void read_function(const ProgramImage::Symbol& symbol) {
    std::string_view name = symbol.name;
    if (name.ends_with(".abi0")) name.remove_suffix(5);
    const bool general = name == "internal/runtime/syscall/linux.Syscall6" ||
                         name == "internal/runtime/syscall.Syscall6" || name == "syscall.rawVforkSyscall" ||
                         name == "syscall.rawSyscallNoError";
    const bool hooks = name == "internal/sandboxhook.systemCall";
    const bool runtime = name.starts_with("runtime.") || name == "time.now";
    // A local function can have anybody's name.
    if (!symbol.global || (!general && !hooks && !runtime)) return;
    auto code = image_.loaded(symbol.address, symbol.size);
    if (!code || code->size() > kMaxFunctionSize) return;
    auto& returns = general ? found_.system_call_returns : found_.hook_call_returns;
    for (std::size_t at = 0; (at = code->find(kSyscallInstruction, at)) != std::string_view::npos; at += 2) {
      const std::uint64_t returns_to = symbol.address + at + kSyscallInstruction.size();
      if (!runtime) {
        if (returns.size() < kMaxReturns) returns.push_back(returns_to);
      } else if (const auto number = loaded_number(code->substr(0, at)); number && is_runtimes(*number)) {
        if (found_.runtime_calls.size() < kMaxReturns) found_.runtime_calls.push_back({returns_to, *number});
      }
    }
  }

  static bool is_runtimes(std::int64_t number) {
    return std::find(kRuntimeNumbers.begin(), kRuntimeNumbers.end(), number) != kRuntimeNumbers.end();
  }

  // What an instruction at the end of the code puts into EAX or RAX: MOVL or MOVQ of a constant.
  static std::optional<std::int64_t> loaded_number(std::string_view code) {
    std::int32_t number = 0;
    if (code.size() < sizeof number) return std::nullopt;
    std::memcpy(&number, code.data() + code.size() - sizeof number, sizeof number);
    code.remove_suffix(sizeof number);
    if (code.ends_with("\xb8") || code.ends_with("\x48\xc7\xc0")) return number;
    return std::nullopt;
  }

  const ProgramImage& image_;
  Sites found_;
};

}  // namespace

const Site* Sites::find(std::uint64_t address) const {
  auto at = std::lower_bound(sites.begin(), sites.end(), address,
                             [](const Site& site, std::uint64_t wanted) { return site.address < wanted; });
  return at != sites.end() && at->address == address ? &*at : nullptr;
}

bool Sites::is_runtime_call(std::int64_t number, std::uint64_t instruction_pointer) const {
  return std::binary_search(runtime_calls.begin(), runtime_calls.end(), RuntimeCall{instruction_pointer, number});
}

Result<Sites> read_sites(const ProgramImage& image) { return Reader(image).read(); }

}  // namespace sandbox_run::hooks
