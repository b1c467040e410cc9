// Classic BPF as seccomp runs it: 32-bit accumulator and index, 16 words of scratch, loads from seccomp_data only.
// Source: Documentation/networking/filter.rst, kernel/seccomp.c (seccomp_check_filter), net/core/filter.c.
#include <linux/audit.h>

#include <array>
#include <cstring>

#include "seccomp-profiles/filter.h"

namespace sandbox_run::seccomp_profiles {
namespace {

struct Machine {
  std::uint32_t a = 0;
  std::uint32_t x = 0;
  std::array<std::uint32_t, BPF_MEMWORDS> memory{};
};

// False for an operation seccomp refuses to load (and for a division by zero, which ends the program with 0).
bool arithmetic(Machine& m, const sock_filter& op) {
  const std::uint32_t operand = BPF_SRC(op.code) == BPF_X ? m.x : op.k;
  switch (BPF_OP(op.code)) {
    case BPF_ADD:
      m.a += operand;
      return true;
    case BPF_SUB:
      m.a -= operand;
      return true;
    case BPF_MUL:
      m.a *= operand;
      return true;
    case BPF_DIV:
      if (operand == 0) return false;
      m.a /= operand;
      return true;
    case BPF_AND:
      m.a &= operand;
      return true;
    case BPF_OR:
      m.a |= operand;
      return true;
    case BPF_XOR:
      m.a ^= operand;
      return true;
    case BPF_LSH:
      m.a <<= (operand & 31);
      return true;
    case BPF_RSH:
      m.a >>= (operand & 31);
      return true;
    case BPF_NEG:
      m.a = 0u - m.a;
      return true;
    default:
      return false;
  }
}

bool jump_taken(const Machine& m, const sock_filter& op) {
  const std::uint32_t operand = BPF_SRC(op.code) == BPF_X ? m.x : op.k;
  switch (BPF_OP(op.code)) {
    case BPF_JEQ:
      return m.a == operand;
    case BPF_JGT:
      return m.a > operand;
    case BPF_JGE:
      return m.a >= operand;
    case BPF_JSET:
      return (m.a & operand) != 0;
    default:
      return false;
  }
}

bool load(Machine& m, const sock_filter& op, const unsigned char* bytes) {
  std::uint32_t& target = BPF_CLASS(op.code) == BPF_LD ? m.a : m.x;
  switch (BPF_MODE(op.code)) {
    case BPF_IMM:
      target = op.k;
      return true;
    case BPF_MEM:
      if (op.k >= BPF_MEMWORDS) return false;
      target = m.memory[op.k];
      return true;
    case BPF_LEN:
      target = sizeof(seccomp_data);
      return true;
    case BPF_ABS:
      if (op.code != (BPF_LD | BPF_W | BPF_ABS) || op.k % 4 != 0 || op.k > sizeof(seccomp_data) - 4) return false;
      std::memcpy(&target, bytes + op.k, sizeof target);
      return true;
    default:
      return false;
  }
}

}  // namespace

std::uint32_t evaluate(const Filter& filter, const seccomp_data& data) {
  const std::vector<sock_filter>& program = filter.program;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&data);
  Machine m;
  // Jumps only go forward, so this ends.
  for (std::size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& op = program[pc];
    switch (BPF_CLASS(op.code)) {
      case BPF_LD:
      case BPF_LDX:
        if (!load(m, op, bytes)) return SECCOMP_RET_KILL_PROCESS;
        break;
      case BPF_ST:
      case BPF_STX:
        if (op.k >= BPF_MEMWORDS) return SECCOMP_RET_KILL_PROCESS;
        m.memory[op.k] = BPF_CLASS(op.code) == BPF_ST ? m.a : m.x;
        break;
      case BPF_ALU:
        if (!arithmetic(m, op)) return SECCOMP_RET_KILL_PROCESS;
        break;
      case BPF_JMP:
        if (BPF_OP(op.code) == BPF_JA)
          pc += op.k;
        else
          pc += jump_taken(m, op) ? op.jt : op.jf;
        break;
      case BPF_RET:
        return BPF_RVAL(op.code) == BPF_A ? m.a : op.k;
      case BPF_MISC:
        if (BPF_MISCOP(op.code) == BPF_TAX)
          m.x = m.a;
        else
          m.a = m.x;
        break;
    }
  }
  return SECCOMP_RET_KILL_PROCESS;
}

bool hands_over(const Filter& filter, int number) {
  seccomp_data data{};
  data.nr = number;
  data.arch = AUDIT_ARCH_X86_64;
  return (evaluate(filter, data) & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF;
}

}  // namespace sandbox_run::seccomp_profiles
