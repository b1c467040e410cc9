#include "hooks/bpf.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cstring>

namespace sandbox_run::hooks::bpf {
namespace {

constexpr std::size_t kPage = 4096;

// EAGAIN: a signal came while the verifier was at work (as a stop and a continuation from a terminal).
long call_kernel(bpf_cmd command, bpf_attr& attributes) {
  constexpr int kMostAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    const long result = ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
    if (result >= 0 || errno != EAGAIN || attempt == kMostAttempts) return result;
  }
}

std::uint64_t address(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

Error refused(const std::string& what) {
  const int error = errno;
  if (error == EPERM || error == EACCES)
    return host_error(error, what + " (it takes root, or CAP_BPF and CAP_PERFMON outside of user namespaces)");
  if (error == ENOSYS) return host_error(error, what + " (the kernel is built without CONFIG_BPF_SYSCALL)");
  return host_error(error, what);
}

Result<UniqueFd> make_map(bpf_map_type type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t entries,
                          std::uint32_t flags) {
  bpf_attr attributes{};
  attributes.map_type = type;
  attributes.key_size = key_size;
  attributes.value_size = value_size;
  attributes.max_entries = entries;
  attributes.map_flags = flags;
  UniqueFd map(static_cast<int>(call_kernel(BPF_MAP_CREATE, attributes)));
  if (!map) return refused("cannot make an eBPF map");
  return map;
}

template <class T>
T* map_pages(int fd, std::size_t offset, std::size_t size, int protection) {
  void* pages = ::mmap(nullptr, size, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  return pages == MAP_FAILED ? nullptr : static_cast<T*>(pages);
}

}  // namespace

// ── assembler ────────────────────────────────────────────────────────────────────────────────────────────────────────

Assembler& Assembler::put(std::uint8_t code, std::uint8_t to, std::uint8_t from, std::int16_t offset,
                          std::int32_t value) {
  bpf_insn instruction{};
  instruction.code = code;
  instruction.dst_reg = to & 0xf;
  instruction.src_reg = from & 0xf;
  instruction.off = offset;
  instruction.imm = value;
  instructions_.push_back(instruction);
  return *this;
}

Assembler& Assembler::set(Register to, std::int32_t value) { return put(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value); }

Assembler& Assembler::set64(Register to, std::uint64_t value) {
  put(BPF_LD | BPF_DW | BPF_IMM, to, 0, 0, static_cast<std::int32_t>(value));
  return put(0, 0, 0, 0, static_cast<std::int32_t>(value >> 32));
}

Assembler& Assembler::set_map(Register to, int map) {
  put(BPF_LD | BPF_DW | BPF_IMM, to, BPF_PSEUDO_MAP_FD, 0, map);
  return put(0, 0, 0, 0, 0);
}

Assembler& Assembler::move(Register to, Register from) { return put(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
Assembler& Assembler::add(Register to, std::int32_t value) { return put(BPF_ALU64 | BPF_ADD | BPF_K, to, 0, 0, value); }

Assembler& Assembler::load64(Register to, Register base, std::int16_t offset) {
  return put(BPF_LDX | BPF_MEM | BPF_DW, to, base, offset, 0);
}
Assembler& Assembler::load32(Register to, Register base, std::int16_t offset) {
  return put(BPF_LDX | BPF_MEM | BPF_W, to, base, offset, 0);
}
Assembler& Assembler::store64(Register base, std::int16_t offset, Register from) {
  return put(BPF_STX | BPF_MEM | BPF_DW, base, from, offset, 0);
}
Assembler& Assembler::store64(Register base, std::int16_t offset, std::int32_t value) {
  return put(BPF_ST | BPF_MEM | BPF_DW, base, 0, offset, value);
}
Assembler& Assembler::store32(Register base, std::int16_t offset, std::int32_t value) {
  return put(BPF_ST | BPF_MEM | BPF_W, base, 0, offset, value);
}
Assembler& Assembler::add_atomically(Register base, std::int16_t offset, Register value) {
  return put(BPF_STX | BPF_ATOMIC | BPF_DW, base, value, offset, BPF_ADD);
}
Assembler& Assembler::call(bpf_func_id helper) { return put(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
Assembler& Assembler::exit() { return put(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

Assembler& Assembler::jump_to(std::uint8_t code, Register left, std::int32_t right, std::string_view label) {
  jumps_.emplace_back(instructions_.size(), label);
  return put(code, left, 0, 0, right);
}
Assembler& Assembler::jump(std::string_view label) { return jump_to(BPF_JMP | BPF_JA, r0, 0, label); }
Assembler& Assembler::jump_if_equal(Register left, std::int32_t right, std::string_view label) {
  return jump_to(BPF_JMP | BPF_JEQ | BPF_K, left, right, label);
}
Assembler& Assembler::jump_unless_equal(Register left, std::int32_t right, std::string_view label) {
  return jump_to(BPF_JMP | BPF_JNE | BPF_K, left, right, label);
}

Assembler& Assembler::label(std::string_view name) {
  labels_.emplace(name, instructions_.size());
  return *this;
}

std::vector<bpf_insn> Assembler::finish() {
  for (const auto& [from, name] : jumps_) {
    const auto to = labels_.find(name);
    assert(to != labels_.end());
    instructions_[from].off = static_cast<std::int16_t>(to->second - from - 1);
  }
  return std::move(instructions_);
}

// ── programs and maps ────────────────────────────────────────────────────────────────────────────────────────────────

Result<UniqueFd> load(bpf_prog_type type, const std::vector<bpf_insn>& instructions, const char* name) {
  std::array<char, 4096> log{};
  bpf_attr attributes{};
  attributes.prog_type = type;
  attributes.insns = address(instructions.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(instructions.size());
  attributes.license = address(kLicense);
  std::strncpy(attributes.prog_name, name, sizeof attributes.prog_name - 1);
  UniqueFd program(static_cast<int>(call_kernel(BPF_PROG_LOAD, attributes)));
  if (program) return program;
  if (errno != EINVAL && errno != EACCES) return refused("cannot load an eBPF program");
  attributes.log_level = 1;  // again, for the verifier's reason
  attributes.log_buf = address(log.data());
  attributes.log_size = log.size();
  program.reset(static_cast<int>(call_kernel(BPF_PROG_LOAD, attributes)));
  if (program) return program;
  std::string_view reason(log.data(), ::strnlen(log.data(), log.size()));
  while (reason.ends_with('\n')) reason.remove_suffix(1);
  if (const std::size_t last = reason.rfind('\n'); last != std::string_view::npos) reason.remove_prefix(last + 1);
  return refused("the kernel's verifier refuses an eBPF program of ours (" + std::string(reason) + ")");
}

Result<UniqueFd> make_hash(std::uint32_t key_size, std::uint32_t value_size, std::uint32_t most_entries) {
  return make_map(BPF_MAP_TYPE_HASH, key_size, value_size, most_entries, 0);
}

Status for_each_entry(int map, std::size_t key_size, std::size_t value_size,
                      const std::function<void(const std::uint8_t*, const std::uint8_t*)>& visit) {
  std::vector<std::uint8_t> key(key_size), next(key_size), value(value_size);
  bool first = true;
  for (;;) {
    bpf_attr attributes{};
    attributes.map_fd = static_cast<std::uint32_t>(map);
    attributes.key = first ? 0 : address(key.data());
    attributes.next_key = address(next.data());
    if (call_kernel(BPF_MAP_GET_NEXT_KEY, attributes) != 0) {
      if (errno == ENOENT) return {};
      return refused("cannot read an eBPF map");
    }
    first = false;
    key = next;
    attributes = {};
    attributes.map_fd = static_cast<std::uint32_t>(map);
    attributes.key = address(key.data());
    attributes.value = address(value.data());
    if (call_kernel(BPF_MAP_LOOKUP_ELEM, attributes) != 0) return refused("cannot read an eBPF map");
    visit(key.data(), value.data());
  }
}

Result<Words> Words::make(std::uint32_t count) {
  TRY(UniqueFd map,
      make_map(BPF_MAP_TYPE_ARRAY, sizeof(std::uint32_t), count * sizeof(std::uint64_t), 1, BPF_F_MMAPABLE));
  auto* words = map_pages<std::uint64_t>(map.get(), 0, kPage, PROT_READ);
  if (words == nullptr) return refused("cannot map an eBPF map");
  return Words(std::move(map), words);
}

Words::Words(Words&& other) noexcept : map_(std::move(other.map_)), words_(std::exchange(other.words_, nullptr)) {}
Words::~Words() {
  if (words_ != nullptr) ::munmap(words_, kPage);
}

Result<RingBuffer> RingBuffer::make(std::uint32_t size) {
  TRY(UniqueFd map, make_map(BPF_MAP_TYPE_RINGBUF, 0, 0, size, 0));
  auto* consumer = map_pages<std::uint8_t>(map.get(), 0, kPage, PROT_READ | PROT_WRITE);
  if (consumer == nullptr) return refused("cannot map an eBPF ring buffer");
  auto* producer = map_pages<const std::uint8_t>(map.get(), kPage, kPage + 2 * std::size_t{size}, PROT_READ);
  if (producer == nullptr) {
    const Error error = refused("cannot map an eBPF ring buffer");
    ::munmap(consumer, kPage);
    return error;
  }
  return RingBuffer(std::move(map), consumer, producer, size);
}

RingBuffer::RingBuffer(RingBuffer&& other) noexcept
    : map_(std::move(other.map_)),
      consumer_(std::exchange(other.consumer_, nullptr)),
      producer_(std::exchange(other.producer_, nullptr)),
      size_(other.size_) {}

RingBuffer::~RingBuffer() {
  if (consumer_ != nullptr) ::munmap(consumer_, kPage);
  if (producer_ != nullptr) ::munmap(const_cast<std::uint8_t*>(producer_), kPage + 2 * std::size_t{size_});
}

bool RingBuffer::drain(const std::function<void(std::string_view)>& take) {
  auto* ours = reinterpret_cast<std::uint64_t*>(consumer_);
  const std::uint64_t end = __atomic_load_n(reinterpret_cast<const std::uint64_t*>(producer_), __ATOMIC_ACQUIRE);
  std::uint64_t at = *ours;
  while (at < end) {
    const std::uint8_t* record = producer_ + kPage + (at & (size_ - 1));
    const std::uint32_t header = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(record), __ATOMIC_ACQUIRE);
    if ((header & BPF_RINGBUF_BUSY_BIT) != 0) break;
    const std::uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if ((header & BPF_RINGBUF_DISCARD_BIT) == 0)
      take({reinterpret_cast<const char*>(record) + BPF_RINGBUF_HDR_SZ, length});
    at += (length + BPF_RINGBUF_HDR_SZ + 7) & ~std::uint64_t{7};
    __atomic_store_n(ours, at, __ATOMIC_RELEASE);
  }
  return at >= end;
}

}  // namespace sandbox_run::hooks::bpf
