// Vocabulary: the words of a profile: argument names per call, symbolic constants, names of errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandbox_run::seccomp_profiles {

// 0 to 5 for a name of `syscall`'s arguments as its man page has them, or "arg0" to "arg5"; nothing for another word.
std::optional<unsigned> argument_index(std::string_view syscall, std::string_view name);
// The argument names of `syscall` for messages: "fd, cmd, arg"; "arg0 to arg5" for a call without names here.
std::string argument_names(std::string_view syscall);

// Kernel value of a symbolic constant, sign-extended to 64 bits as Go and the kernel's long arguments have it.
std::optional<std::uint64_t> constant_value(std::string_view name);

// 1 to 4095; nothing for a word that is no errno's name.
std::optional<int> errno_value(std::string_view name);

}  // namespace sandbox_run::seccomp_profiles
