#include "hooks/call_probe.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace sandbox_run::hooks {
namespace {

using namespace bpf;

struct Key {
  std::int64_t number;
  std::uint64_t instruction_pointer;
};
static_assert(sizeof(Key) == 16);

constexpr std::int16_t kRip = 16 * 8;  // in struct pt_regs of x86-64, <asm/ptrace.h>

// Places in the frame.
constexpr std::int16_t kPidInfo = -8, kTgid = kPidInfo + 4;  // struct bpf_pidns_info: pid, tgid
constexpr std::int16_t kKey = -24, kInstruction = kKey + 8, kOne = -32, kZero = -36;

// sys_enter's context: the registers' address, the call's number.
std::vector<bpf_insn> probe(const struct stat& pid_namespace, int table, int words) {
  // stat(2) tells a device in another encoding than the kernel's own.
  const std::uint64_t device = std::uint64_t{major(pid_namespace.st_dev)} << 20 | minor(pid_namespace.st_dev);
  return Assembler()
      .move(r6, r1)
      .set64(r1, device)
      .set64(r2, pid_namespace.st_ino)
      .move(r3, r10)
      .add(r3, kPidInfo)
      .set(r4, sizeof(bpf_pidns_info))
      .call(BPF_FUNC_get_ns_current_pid_tgid)
      .jump_unless_equal(r0, 0, "out")  // of another namespace
      .load32(r1, r10, kTgid)
      .jump_if_equal(r1, 1, "out")  // init is ours
      .load64(r1, r6, 8)
      .store64(r10, kKey, r1)
      .load64(r3, r6, 0)
      .add(r3, kRip)
      .move(r1, r10)
      .add(r1, kInstruction)
      .set(r2, sizeof(std::uint64_t))
      .call(BPF_FUNC_probe_read_kernel)
      .jump_unless_equal(r0, 0, "lost")
      .set_map(r1, table)
      .move(r2, r10)
      .add(r2, kKey)
      .call(BPF_FUNC_map_lookup_elem)
      .jump_unless_equal(r0, 0, "found")
      .store64(r10, kOne, 1)
      .set_map(r1, table)
      .move(r2, r10)
      .add(r2, kKey)
      .move(r3, r10)
      .add(r3, kOne)
      .set(r4, BPF_NOEXIST)
      .call(BPF_FUNC_map_update_elem)
      .jump_if_equal(r0, 0, "out")
      .set_map(r1, table)  // another thread was first, or there is no room
      .move(r2, r10)
      .add(r2, kKey)
      .call(BPF_FUNC_map_lookup_elem)
      .jump_if_equal(r0, 0, "lost")
      .label("found")
      .set(r1, 1)
      .add_atomically(r0, 0, r1)
      .jump("out")
      .label("lost")
      .store32(r10, kZero, 0)
      .set_map(r1, words)
      .move(r2, r10)
      .add(r2, kZero)
      .call(BPF_FUNC_map_lookup_elem)
      .jump_if_equal(r0, 0, "out")
      .set(r1, 1)
      .add_atomically(r0, 0, r1)
      .label("out")
      .set(r0, 0)
      .exit()
      .finish();
}

}  // namespace

Result<CallProbe> CallProbe::attach(pid_t program) {
  const std::string path = "/proc/" + std::to_string(program) + "/ns/pid";
  struct stat pid_namespace {};
  if (::stat(path.c_str(), &pid_namespace) != 0) return host_error(errno, "cannot look at " + path);
  TRY(Words words, Words::make(1));
  TRY(UniqueFd table, make_hash(sizeof(Key), sizeof(std::uint64_t), kMostPlaces));
  TRY(UniqueFd code, load(BPF_PROG_TYPE_RAW_TRACEPOINT, probe(pid_namespace, table.get(), words.map()), "call_begun"));
  bpf_attr attributes{};
  attributes.raw_tracepoint.name = reinterpret_cast<std::uint64_t>("sys_enter");
  attributes.raw_tracepoint.prog_fd = static_cast<std::uint32_t>(code.get());
  UniqueFd link(static_cast<int>(::syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &attributes, sizeof attributes)));
  if (!link) return host_error(errno, "cannot attach to the tracepoint sys_enter");
  return CallProbe(std::move(words), std::move(table), std::move(code), std::move(link));
}

Result<std::vector<CallCount>> CallProbe::read() const {
  std::vector<CallCount> calls;
  TRY_STATUS(for_each_entry(table_.get(), sizeof(Key), sizeof(std::uint64_t),
                            [&](const std::uint8_t* key, const std::uint8_t* value) {
                              Key place;
                              CallCount one;
                              std::memcpy(&place, key, sizeof place);
                              std::memcpy(&one.count, value, sizeof one.count);
                              one.number = place.number;
                              one.instruction_pointer = place.instruction_pointer;
                              calls.push_back(one);
                            }));
  return calls;
}

}  // namespace sandbox_run::hooks
