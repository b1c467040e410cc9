#include "hooks/hook_probe.h"

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "base/files.h"

namespace sandbox_run::hooks {
namespace {

using namespace bpf;

// A five-byte NOP: the kernel passes over it without executing it elsewhere, which makes a hit ten times cheaper than
// on another instruction.
constexpr std::string_view kNop("\x0f\x1f\x44\x00\x00", 5);
constexpr std::string_view kFunction = "internal/sandboxhook.ran";
// All of the function: its arguments to the registers, the NOP, RET.
constexpr std::string_view kCode("\x48\x8b\x44\x24\x08\x48\x8b\x5c\x24\x10\x0f\x1f\x44\x00\x00\xc3", 16);

// Offsets in struct pt_regs of x86-64, <asm/ptrace.h>.
constexpr std::int16_t kRbx = 5 * 8, kRax = 10 * 8;

std::vector<bpf_insn> probe(int words, int ring, std::int16_t counted, std::int16_t lost) {
  return Assembler()
      .move(r6, r1)
      .store32(r10, -4, 0)
      .set_map(r1, words)
      .move(r2, r10)
      .add(r2, -4)
      .call(BPF_FUNC_map_lookup_elem)
      .jump_if_equal(r0, 0, "out")
      .move(r7, r0)
      .set(r1, 1)
      .add_atomically(r7, counted, r1)
      .set_map(r1, ring)
      .set(r2, sizeof(HookHit))
      .set(r3, 0)
      .call(BPF_FUNC_ringbuf_reserve)
      .jump_if_equal(r0, 0, "lost")
      .move(r8, r0)
      .load64(r1, r6, kRax)
      .store64(r8, offsetof(HookHit, site), r1)
      .load64(r1, r6, kRbx)
      .store64(r8, offsetof(HookHit, event), r1)
      .call(BPF_FUNC_ktime_get_ns)
      .store64(r8, offsetof(HookHit, time_ns), r0)
      .call(BPF_FUNC_get_current_pid_tgid)
      .store64(r8, offsetof(HookHit, thread), r0)
      .move(r1, r8)
      .set(r2, BPF_RB_NO_WAKEUP)
      .call(BPF_FUNC_ringbuf_submit)
      .jump("out")
      .label("lost")
      .set(r1, 1)
      .add_atomically(r7, lost, r1)
      .label("out")
      .set(r0, 0)
      .exit()
      .finish();
}

// The number under which perf_event_open(2) knows uprobes.
Result<std::uint32_t> uprobe_type() {
  const std::string path = "/sys/bus/event_source/devices/uprobe/type";
  auto text = read_file(path, Bytes{64});
  if (!text) return host_error("the kernel gives no uprobes (CONFIG_UPROBE_EVENTS), or " + text.error().what);
  std::uint32_t type = 0;
  for (const char digit : *text)
    if (digit >= '0' && digit <= '9') type = type * 10 + static_cast<std::uint32_t>(digit - '0');
  return type;
}

}  // namespace

Result<std::optional<std::uint64_t>> HookProbe::place(const ProgramImage& image) {
  bool named = false;
  for (std::size_t i = 0; i < image.symbols(); ++i) {
    const auto symbol = image.symbol(i);
    if (!symbol || !symbol->function || symbol->local) continue;
    std::string_view name = symbol->name;
    if (name.ends_with(".abi0")) name.remove_suffix(5);
    if (name != kFunction) continue;
    named = true;  // perhaps a wrapper of the compiler's, through which Go calls it
    if (image.loaded(symbol->address, symbol->size) == kCode)
      return image.file_offset(symbol->address + kCode.find(kNop));
  }
  if (!named) return std::optional<std::uint64_t>();
  return input_error(
      "the program has a function of its own in place of internal/sandboxhook.ran, by which the kernel sees hooks run: "
      "remove it, or run without --trace");
}

Result<HookProbe> HookProbe::attach(pid_t program, int executable, std::uint64_t place) {
  TRY(const std::uint32_t type, uprobe_type());
  TRY(Words words, Words::make(kWords));
  TRY(RingBuffer ring, RingBuffer::make(kRingSize));
  TRY(UniqueFd code,
      load(BPF_PROG_TYPE_KPROBE,
           probe(words.map(), ring.map(), kCounted * sizeof(std::uint64_t), kLost * sizeof(std::uint64_t)),
           "hook_ran"));
  const std::string path = "/proc/self/fd/" + std::to_string(executable);
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = type;
  attributes.config1 = reinterpret_cast<std::uint64_t>(path.c_str());
  attributes.config2 = place;
  UniqueFd event(static_cast<int>(::syscall(SYS_perf_event_open, &attributes, program, -1, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!event) return host_error(errno, "cannot put a uprobe into the program");
  if (::ioctl(event.get(), PERF_EVENT_IOC_SET_BPF, code.get()) != 0)
    return host_error(errno, "cannot have an eBPF program run at a uprobe");
  return HookProbe(std::move(words), std::move(ring), std::move(code), std::move(event));
}

bool HookProbe::drain(const std::function<void(const HookHit&)>& take) {
  return ring_.drain([&](std::string_view record) {
    HookHit hit;
    if (record.size() != sizeof hit) return;
    std::memcpy(&hit, record.data(), sizeof hit);
    take(hit);
  });
}

}  // namespace sandbox_run::hooks
