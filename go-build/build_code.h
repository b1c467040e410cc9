// BuildCode: why a build gave no program, as a diagnostic's code. docs/build.md has the same table.
#pragma once

namespace sandbox_run::go_build {

// code, what it means. Codes are stable and never reused.
#define SANDBOX_RUN_BUILD_CODES(X)                                                                    \
  X(GB001, "the compiler or the assembler refuses the source")                                        \
  X(GB002, "the linker cannot put the program together")                                              \
  X(GB003, "the go command cannot make out the package: go.mod, imports, embedded or missing files")  \
  X(GB004, "what was built is no program that may run: not package main, or refused by the ELF gate") \
  X(GB005, "the build hit one of its own limits (--build-…)")                                         \
  X(GB006, "the rules of --trace do not fit the program")

enum class BuildCode {
#define SANDBOX_RUN_CODE(code, meaning) code,
  SANDBOX_RUN_BUILD_CODES(SANDBOX_RUN_CODE)
#undef SANDBOX_RUN_CODE
};

constexpr const char* build_code_name(BuildCode code) {
  constexpr const char* kNames[] = {
#define SANDBOX_RUN_CODE(name, meaning) #name,
      SANDBOX_RUN_BUILD_CODES(SANDBOX_RUN_CODE)
#undef SANDBOX_RUN_CODE
  };
  return kNames[static_cast<int>(code)];
}

}  // namespace sandbox_run::go_build
