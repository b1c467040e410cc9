// bpf: what two probes of a few dozen instructions need of eBPF: an assembler with labels, maps, loading. libbpf's work
// is to load objects that clang compiled; there are none here, and no clang is needed to build this.
// Source: bpf(2), <linux/bpf.h>, the kernel's Documentation/bpf/standardization/instruction-set.rst and ringbuf.rst.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace sandbox_run::hooks::bpf {

// r0 is what calls return, r1 to r5 are their arguments and are lost by them, r6 to r9 are kept; r10 is the frame's
// top.
enum Register : std::uint8_t { r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10 };

class Assembler {
 public:
  Assembler& set(Register to, std::int32_t value);
  Assembler& set64(Register to, std::uint64_t value);
  Assembler& set_map(Register to, int map);  // a map's descriptor
  Assembler& move(Register to, Register from);
  Assembler& add(Register to, std::int32_t value);
  Assembler& load64(Register to, Register base, std::int16_t offset);
  Assembler& load32(Register to, Register base, std::int16_t offset);
  Assembler& store64(Register base, std::int16_t offset, Register from);
  Assembler& store64(Register base, std::int16_t offset, std::int32_t value);
  Assembler& store32(Register base, std::int16_t offset, std::int32_t value);
  Assembler& add_atomically(Register base, std::int16_t offset, Register value);
  Assembler& call(bpf_func_id helper);
  Assembler& jump(std::string_view label);
  Assembler& jump_if_equal(Register left, std::int32_t right, std::string_view label);
  Assembler& jump_unless_equal(Register left, std::int32_t right, std::string_view label);
  Assembler& label(std::string_view name);
  Assembler& exit();

  // REQUIRES: every label that is jumped to is there.
  std::vector<bpf_insn> finish();

 private:
  Assembler& put(std::uint8_t code, std::uint8_t to, std::uint8_t from, std::int16_t offset, std::int32_t value);
  Assembler& jump_to(std::uint8_t code, Register left, std::int32_t right, std::string_view label);

  std::vector<bpf_insn> instructions_;
  std::map<std::string, std::size_t, std::less<>> labels_;
  std::vector<std::pair<std::size_t, std::string>> jumps_;  // instruction, label
};

// Fails with: Fault::host, with what to do where the kernel or the caller's privileges do not allow it; Fault::self
// where the verifier refuses the program. `license` is what the instructions declare: helpers that read memory are for
// programs under the GPL, and ours may be used under it.
Result<UniqueFd> load(bpf_prog_type type, const std::vector<bpf_insn>& instructions, const char* name);
constexpr const char kLicense[] = "Dual BSD/GPL";

Result<UniqueFd> make_hash(std::uint32_t key_size, std::uint32_t value_size, std::uint32_t most_entries);
// Calls `visit` with each key and value.
Status for_each_entry(int map, std::size_t key_size, std::size_t value_size,
                      const std::function<void(const std::uint8_t* key, const std::uint8_t* value)>& visit);

// An array of one element, 64-bit words that programs count in, mapped for us to read.
class Words {
 public:
  static Result<Words> make(std::uint32_t count);
  Words(Words&& other) noexcept;
  Words& operator=(Words&&) = delete;
  ~Words();
  int map() const { return map_.get(); }
  std::uint64_t operator[](std::size_t i) const { return __atomic_load_n(words_ + i, __ATOMIC_RELAXED); }

 private:
  Words(UniqueFd map, std::uint64_t* words) : map_(std::move(map)), words_(words) {}
  UniqueFd map_;
  std::uint64_t* words_ = nullptr;
};

// Records from a program in the kernel to us, in the order in which it reserved them.
class RingBuffer {
 public:
  static Result<RingBuffer> make(std::uint32_t size);  // a power of two, at least a page
  RingBuffer(RingBuffer&& other) noexcept;
  RingBuffer& operator=(RingBuffer&&) = delete;
  ~RingBuffer();
  int map() const { return map_.get(); }
  // False: a record that a processor is still writing is in the way of what was there when this began.
  bool drain(const std::function<void(std::string_view record)>& take);

 private:
  RingBuffer(UniqueFd map, std::uint8_t* consumer, const std::uint8_t* producer, std::uint32_t size)
      : map_(std::move(map)), consumer_(consumer), producer_(producer), size_(size) {}
  UniqueFd map_;
  std::uint8_t* consumer_ = nullptr;        // a page: our position
  const std::uint8_t* producer_ = nullptr;  // a page: theirs; then the records, twice in a row
  std::uint32_t size_ = 0;
};

}  // namespace sandbox_run::hooks::bpf
