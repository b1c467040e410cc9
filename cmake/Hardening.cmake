# Hardening of our own binaries. The supervisor reads hostile archives, module zips and text, so it is built as if a
# parser could be wrong. Directory-wide and before the rooms: a target that cannot have one of them (the child after
# clone has no stack-protector canary to rely on) switches it off in its own options, which come later on the command
# line.
if(SANDBOX_RUN_HARDENING)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -fno-plt)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
    add_compile_options(-fcf-protection)
  endif()
  # Distributions that set a level of their own (Ubuntu) would otherwise warn about redefinition.
  add_compile_options("SHELL:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()
