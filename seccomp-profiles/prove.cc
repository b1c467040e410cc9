// Theory of operation. The program is walked with what is known of the call: its architecture, perhaps its number,
// never an argument. The accumulator and the index hold a known word or none; an operation on what is not known gives
// what is not known, scratch memory is never known, and a jump on it is followed both ways. Jumps only go forward, and
// what was seen once is not walked again, so the walk ends; where it would take long, nothing is proven.
#include <linux/audit.h>
#include <sys/syscall.h>

#include <cstddef>
#include <set>
#include <tuple>

#include "seccomp-profiles/filter.h"

namespace sandbox_run::seccomp_profiles {
namespace {

using Word = std::optional<std::uint32_t>;

constexpr std::size_t kMostStates = 1u << 18;
constexpr std::uint32_t kX32Bit = 0x40000000;

struct State {
  std::size_t pc = 0;
  Word a, x;
  bool operator<(const State& other) const { return std::tie(pc, a, x) < std::tie(other.pc, other.a, other.x); }
};

class Walk {
 public:
  Walk(const Filter& filter, std::uint32_t arch, Word number)
      : program_(filter.program), arch_(arch), number_(number) {}

  bool never_allows() {
    go({});
    while (!open_.empty()) {
      const State state = *open_.begin();
      open_.erase(open_.begin());
      if (!step(state)) return false;
    }
    return true;
  }

 private:
  void go(const State& state) {
    if (seen_.insert(state).second) open_.insert(state);
  }

  Word loaded(const sock_filter& op) const {
    if (BPF_MODE(op.code) == BPF_IMM) return op.k;
    if (op.code != (BPF_LD | BPF_W | BPF_ABS)) return std::nullopt;
    if (op.k == offsetof(seccomp_data, arch)) return arch_;
    return op.k == offsetof(seccomp_data, nr) ? number_ : std::nullopt;
  }

  static bool denies(std::uint32_t action) {
    switch (action & SECCOMP_RET_ACTION_FULL) {
      case SECCOMP_RET_KILL_PROCESS:
      case SECCOMP_RET_KILL_THREAD:
      case SECCOMP_RET_TRAP:
      case SECCOMP_RET_ERRNO:
      case SECCOMP_RET_USER_NOTIF:
        return true;
      default:  // allowed, logged, or left to a tracer
        return false;
    }
  }

  void jump(const State& state, const sock_filter& op) {
    const Word operand = BPF_SRC(op.code) == BPF_X ? state.x : Word(op.k);
    const auto to = [&](std::uint32_t distance) { go({state.pc + 1 + distance, state.a, state.x}); };
    if (BPF_OP(op.code) == BPF_JA) return to(op.k);
    if (!state.a || !operand) {
      to(op.jt);
      return to(op.jf);
    }
    bool taken = false;
    switch (BPF_OP(op.code)) {
      case BPF_JEQ:
        taken = *state.a == *operand;
        break;
      case BPF_JGT:
        taken = *state.a > *operand;
        break;
      case BPF_JGE:
        taken = *state.a >= *operand;
        break;
      case BPF_JSET:
        taken = (*state.a & *operand) != 0;
        break;
      default:
        to(op.jt);
        return to(op.jf);
    }
    to(taken ? op.jt : op.jf);
  }

  // False: a way to a call that gets through, or that nothing can be said of.
  bool step(const State& state) {
    if (state.pc >= program_.size() || seen_.size() > kMostStates) return false;
    const sock_filter& op = program_[state.pc];
    State next{state.pc + 1, state.a, state.x};
    switch (BPF_CLASS(op.code)) {
      case BPF_RET:
        if (BPF_RVAL(op.code) == BPF_A) return state.a && denies(*state.a);
        return denies(op.k);
      case BPF_JMP:
        jump(state, op);
        return true;
      case BPF_LD:
        next.a = loaded(op);
        break;
      case BPF_LDX:
        next.x = std::nullopt;
        break;
      case BPF_ALU:
        next.a = BPF_OP(op.code) == BPF_AND && state.a && BPF_SRC(op.code) == BPF_K ? Word(*state.a & op.k) : Word();
        break;
      case BPF_MISC:
        if (BPF_MISCOP(op.code) == BPF_TAX)
          next.x = state.a;
        else
          next.a = state.x;
        break;
      default:  // ST, STX: memory is never known
        break;
    }
    go(next);
    return true;
  }

  const std::vector<sock_filter>& program_;
  std::uint32_t arch_;
  Word number_;
  std::set<State> open_, seen_;
};

}  // namespace

bool never_allows(const Filter& filter, std::uint32_t arch, std::optional<std::uint32_t> number) {
  return Walk(filter, arch, number).never_allows();
}

bool never_allows_sockets(const Filter& filter) {
  for (const std::uint32_t number : {SYS_socket, SYS_socketpair, SYS_io_uring_setup})
    for (const std::uint32_t abi : {0u, kX32Bit})
      if (!never_allows(filter, AUDIT_ARCH_X86_64, number | abi)) return false;
  return never_allows(filter, AUDIT_ARCH_I386, std::nullopt);
}

}  // namespace sandbox_run::seccomp_profiles
