# One INTERFACE target with every compile and link flag; each of our targets links it.
add_library(holdfast_flags INTERFACE)
target_include_directories(holdfast_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(holdfast_flags INTERFACE _GNU_SOURCE)
target_compile_options(holdfast_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wformat=2 -Werror=format-security
  -fstack-protector-strong -fno-strict-aliasing
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(HOLDFAST_WERROR)
  target_compile_options(holdfast_flags INTERFACE -Werror)
endif()

if(HOLDFAST_SANITIZE)
  # A list, not a generator expression: the comma in address,undefined would break it.
  target_compile_options(holdfast_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all -g
                         $<IF:$<BOOL:$<TARGET_PROPERTY:HF_UNOPTIMISED>>,-O0,-O1>)
  target_link_options(holdfast_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE})
  target_compile_definitions(holdfast_flags INTERFACE _GLIBCXX_ASSERTIONS HOLDFAST_SANITIZED)
else()
  target_compile_options(holdfast_flags INTERFACE -fstack-clash-protection -fcf-protection=full)
  if(NOT (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16))
    # Older clang refuses the option unless told that it is going to disappear, which it did not.
    target_compile_options(holdfast_flags INTERFACE -ftrivial-auto-var-init=zero)
  endif()
  target_compile_definitions(holdfast_flags INTERFACE _GLIBCXX_ASSERTIONS)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    set(fortify 2)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
      set(fortify 3)
    endif()
    # The library's checks need the optimiser, which tests are compiled without.
    target_compile_options(holdfast_flags INTERFACE -U_FORTIFY_SOURCE
      $<IF:$<BOOL:$<TARGET_PROPERTY:HF_UNOPTIMISED>>,-O0,-D_FORTIFY_SOURCE=${fortify}>)
  endif()
  target_link_options(holdfast_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    # The C start files of Debian carry no mark, and without one for all the linker leaves it out; a
    # shadow stack asks nothing of them.
    target_link_options(holdfast_flags INTERFACE -Wl,-z,shstk)
  endif()
endif()
if(HOLDFAST_FUZZ)
  # Our libraries report their branches too; without this libFuzzer would see only the target's own
  # file and search blindly.
  target_compile_options(holdfast_flags INTERFACE
    $<$<NOT:$<BOOL:$<TARGET_PROPERTY:HF_UNOPTIMISED>>>:-fsanitize=fuzzer-no-link>)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported()

# hf_library(NAME SOURCES... LINK LIBS...): one static library with our flags.
function(hf_library name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PUBLIC holdfast_flags ${ARG_LINK})
endfunction()

# hf_fast(TARGET): the scanners that see every byte, for which -O3 is worth its larger code.
function(hf_fast name)
  target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo,Release>:-O3>)
endfunction()

# hf_program(NAME SOURCES... LINK LIBS...): one executable in bin/ with our flags.
function(hf_program name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE holdfast_flags ${ARG_LINK})
endfunction()
