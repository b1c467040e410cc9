// Raw system calls for init: no C library, no errno; the kernel's own negative numbers come back.
#pragma once

#include <asm/unistd.h>

#include <cstdint>

namespace sandbox_run::launch {

static inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <class T>
static inline long word(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

[[noreturn]] static inline void leave(int status) {
  for (;;) system_call(__NR_exit_group, status);
}

}  // namespace sandbox_run::launch
