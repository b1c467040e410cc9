# Headers that most files read, compiled once: parsing them is a fifth of a room's build and half of its tests'.
# The sources still name what they include: with SANDBOX_RUN_PCH=OFF (for a compiler cache) they build without.
option(SANDBOX_RUN_PCH "compile the standard library's and GoogleTest's headers once" ON)

set(precompiled_standard <algorithm> <chrono> <functional> <map> <memory> <optional> <set> <string>
  <string_view> <variant> <vector> <fmt/format.h>)

# sandbox_run_precompiled(TARGET ROOM|TEST): a target with the options of the others of its kind; a test's own code is
# compiled with other options than a room's.
function(sandbox_run_precompiled target kind)
  if(NOT SANDBOX_RUN_PCH)
    return()
  endif()
  string(TOLOWER precompiled_${kind} owner)
  if(NOT TARGET ${owner})
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${owner}.cc CONTENT "int main() {}\n")
    if(kind STREQUAL "TEST")
      add_executable(${owner} ${CMAKE_BINARY_DIR}/${owner}.cc)  # -fPIE, as the tests
      set_target_properties(${owner} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
    else()
      add_library(${owner} OBJECT ${CMAKE_BINARY_DIR}/${owner}.cc)
    endif()
    target_include_directories(${owner} PRIVATE ${PROJECT_SOURCE_DIR})
    if(kind STREQUAL "TEST")
      get_target_property(options ${target} COMPILE_OPTIONS)
      target_compile_options(${owner} PRIVATE ${options})
      target_link_libraries(${owner} PRIVATE GTest::gmock)
      target_precompile_headers(${owner} PRIVATE ${precompiled_standard} <gmock/gmock.h> <gtest/gtest.h>)
    else()
      target_precompile_headers(${owner} PRIVATE ${precompiled_standard})
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()
