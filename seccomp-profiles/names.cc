// Names of calls and architectures: libseccomp's tables, and what is newer than Debian 12's libseccomp.
#include <linux/audit.h>
#include <seccomp.h>

#include <cstdlib>

#include "seccomp-profiles/filter.h"

namespace sandbox_run::seccomp_profiles {
namespace {

constexpr int kX32Bit = 0x40000000;

struct NewCall {
  int number;
  const char* name;
};

// Since 5.1 a new call has one number on every architecture. arch/x86/entry/syscalls/syscall_64.tbl of Linux 6.18.
constexpr NewCall kNewCalls[] = {
    {448, "process_mrelease"},  {449, "futex_waitv"},      {450, "set_mempolicy_home_node"},
    {451, "cachestat"},         {452, "fchmodat2"},        {453, "map_shadow_stack"},
    {454, "futex_wake"},        {455, "futex_wait"},       {456, "futex_requeue"},
    {457, "statmount"},         {458, "listmount"},        {459, "lsm_get_self_attr"},
    {460, "lsm_set_self_attr"}, {461, "lsm_list_modules"}, {462, "mseal"},
    {463, "setxattrat"},        {464, "getxattrat"},       {465, "listxattrat"},
    {466, "removexattrat"},     {467, "open_tree_attr"},   {468, "file_getattr"},
    {469, "file_setattr"},
};
constexpr NewCall kNewX86Calls[] = {{335, "uretprobe"}, {336, "uprobe"}};

std::uint32_t libseccomp_arch(std::uint32_t arch, int number) {
  switch (arch) {
    case AUDIT_ARCH_X86_64:
      return (number & kX32Bit) != 0 && number > 0 ? SCMP_ARCH_X32 : SCMP_ARCH_X86_64;
    case AUDIT_ARCH_I386:
      return SCMP_ARCH_X86;
    case AUDIT_ARCH_AARCH64:
      return SCMP_ARCH_AARCH64;
    default:
      return 0;
  }
}

}  // namespace

std::string syscall_name(std::uint32_t arch, int number) {
  const std::uint32_t table = libseccomp_arch(arch, number);
  // Negative numbers are libseccomp's own markers for calls that an architecture lacks.
  if (table == 0 || number < 0) return {};
  if (char* name = seccomp_syscall_resolve_num_arch(table, number)) {
    std::string result = name;
    std::free(name);
    return result;
  }
  const int plain = table == SCMP_ARCH_X32 ? number & ~kX32Bit : number;
  for (const NewCall& call : kNewCalls) {
    if (call.number == plain) return call.name;
  }
  if (table == SCMP_ARCH_X86_64) {
    for (const NewCall& call : kNewX86Calls) {
      if (call.number == plain) return call.name;
    }
  }
  return {};
}

int syscall_number(std::string_view name) {
  const std::string text(name);
  const int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, text.c_str());
  if (number >= 0) return number;
  for (const NewCall& call : kNewCalls) {
    if (call.name == name) return call.number;
  }
  for (const NewCall& call : kNewX86Calls) {
    if (call.name == name) return call.number;
  }
  return -1;
}

std::string arch_name(std::uint32_t arch, int number) {
  switch (libseccomp_arch(arch, number)) {
    case SCMP_ARCH_X86_64:
      return "x86_64";
    case SCMP_ARCH_X32:
      return "x32";
    case SCMP_ARCH_X86:
      return "i386";
    case SCMP_ARCH_AARCH64:
      return "aarch64";
    default:
      break;
  }
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += kHex[(arch >> shift) & 15];
  return text;
}

}  // namespace sandbox_run::seccomp_profiles
