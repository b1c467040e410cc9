// Filter: a compiled seccomp program, and its evaluation in user space for golden tests.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "seccomp-profiles/profile.h"

namespace sandbox_run::seccomp_profiles {

struct Filter {
  std::vector<sock_filter> program;
};

// Through libseccomp (optimised to a tree), then checked against the rules: bad architecture, x32 and everything
// without a rule go to the listener (SECCOMP_RET_USER_NOTIF; without a listener the kernel answers ENOSYS).
// About 1.5 ms, most of it the check: built-in profiles are compiled when the project is built.
// Fails with: Fault::self when what libseccomp made does not do what the rules say.
Result<Filter> compile(const Profile& profile);

// The ahead-of-time compiled filter of a built-in profile; nullptr for an unknown name. A few µs once.
// Thread: any.
const Filter* builtin_filter(std::string_view name);

// The same filter where no listener is possible: whatever would notify ends with `action`, a SECCOMP_RET_* word such as
// SECCOMP_RET_KILL_PROCESS or SECCOMP_RET_ERRNO | EPERM.
Filter without_listener(const Filter& filter, std::uint32_t action);

// What the rules say about one call, read off the rules themselves: the model that compile() is checked against.
std::uint32_t decide(const Profile& profile, const seccomp_data& data);

// Runs classic BPF as the kernel would on `data`; the SECCOMP_RET_* word. A program that the kernel would not load, or
// that runs off its end, gives SECCOMP_RET_KILL_PROCESS.
std::uint32_t evaluate(const Filter& filter, const seccomp_data& data);

// Whether a native call with zero arguments goes to the listener.
bool hands_over(const Filter& filter, int number);

// Whether no call with this architecture word and number gets through, whatever its arguments are, or without a number
// no call of that architecture at all: every way the program can go then ends in an errno, a notification or death. A
// proof: what is not known of a call is taken to send a jump both ways.
bool never_allows(const Filter& filter, std::uint32_t arch, std::optional<std::uint32_t> number);

// Whether no program under this filter can make a socket: by socket, socketpair or an io_uring (IORING_OP_SOCKET), in
// the native, the x32 or the i386 way to call.
bool never_allows_sockets(const Filter& filter);

// "openat" for (AUDIT_ARCH_X86_64, 257); empty for an unknown number. `arch` is an AUDIT_ARCH_* word.
std::string syscall_name(std::uint32_t arch, int number);
// The x86-64 number of a call; -1 for an unknown name.
int syscall_number(std::string_view name);
// "x86_64", "i386", "x32" (by the number's bit 30), "aarch64".
std::string arch_name(std::uint32_t arch, int number);

}  // namespace sandbox_run::seccomp_profiles
