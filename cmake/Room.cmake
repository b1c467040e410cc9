# sandbox_run_room(NAME DEPS room… LIBS target…): one folder of the house as a static library, its unit tests beside it.
#   NAME.cc …        → library room_NAME
#   *_test.cc        → executable NAME_test, registered with CTest
#   *_fuzz.cc        → executable each in BUILD/fuzz, in the fuzz preset only; its corpus is ROOM/corpus/NAME
# DEPS are the rooms it may include; the layer check (cmake/check-layers) holds the list for the whole house.
function(sandbox_run_room name)
  cmake_parse_arguments(ROOM "" "" "DEPS;LIBS" ${ARGN})
  set(target room_${name})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  set(fuzzers ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(TRANSFORM ROOM_DEPS PREPEND room_)
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC ${ROOM_DEPS} ${ROOM_LIBS})
  sandbox_run_precompiled(${target} ROOM)
  if(tests AND SANDBOX_RUN_TESTS)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${target} GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE SANDBOX_RUN_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    if(SANDBOX_RUN_HARDENING)
      target_compile_options(${name}_test PRIVATE -O0 -U_FORTIFY_SOURCE)  # the tests' own code: compiled once, run once
    endif()
    sandbox_run_precompiled(${name}_test TEST)
    add_test(NAME ${name}_test COMMAND ${name}_test)
  endif()
  if(SANDBOX_RUN_FUZZ)
    foreach(source ${fuzzers})
      get_filename_component(fuzzer ${source} NAME_WE)
      add_executable(${fuzzer} ${source})
      target_link_libraries(${fuzzer} PRIVATE ${target} -fsanitize=fuzzer)
      set_target_properties(${fuzzer} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
      set_property(GLOBAL APPEND PROPERTY SANDBOX_RUN_FUZZERS ${fuzzer})
    endforeach()
  endif()
endfunction()

# sandbox_run_static(TARGET): links it statically where SANDBOX_RUN_STATIC asks for it, as a static PIE; its relocations
# packed where linker and C library can (DT_RELR: binutils 2.38, glibc 2.36), as they are done anew at every start.
include(CheckLinkerFlag)
set(CMAKE_REQUIRED_LINK_OPTIONS -static-pie)
check_linker_flag(CXX -Wl,-z,pack-relative-relocs SANDBOX_RUN_PACKED_RELOCATIONS)
unset(CMAKE_REQUIRED_LINK_OPTIONS)
function(sandbox_run_static target)
  if(SANDBOX_RUN_STATIC)
    target_link_options(${target} PRIVATE -static-pie $<$<BOOL:${SANDBOX_RUN_PACKED_RELOCATIONS}>:-Wl,-z,pack-relative-relocs>)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON LINK_SEARCH_START_STATIC ON)
  endif()
endfunction()

# sandbox_run_helper(TARGET): a program of ours that the supervisor runs, found beside it in ../libexec.
function(sandbox_run_helper target)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${SANDBOX_RUN_LIBEXEC_DIR})
endfunction()
