# The yardstick: built only when asked for (ninja bench_tools), since nothing else needs it.
add_custom_target(bench_tools)

# bench_tool(NAME SOURCES...): one program in bin/.
function(bench_tool name)
  list(TRANSFORM ARGN PREPEND bench/tools/)
  add_executable(${name} EXCLUDE_FROM_ALL ${ARGN})
  target_link_libraries(${name} PRIVATE holdfast_flags PkgConfig::SSL PkgConfig::CRYPTO)
  add_dependencies(bench_tools ${name})
endfunction()

bench_tool(mcp-mock mcp_mock.cpp mock_server.cpp mock_answers.cpp sockets.cpp
           wire.cpp)
bench_tool(mcp-load mcp_load.cpp load_modes.cpp load_engine.cpp load_errors.cpp load_report.cpp
           load_requests.cpp session_client.cpp legacy_client.cpp process_sample.cpp sockets.cpp
           wire.cpp)
bench_tool(tcp-splice tcp_splice.cpp sockets.cpp)

# The yardstick's own correctness, and what of Holdfast is bounded. Labelled bench, which no mode of
# scripts/test.sh runs: they need a quiet machine and minutes. The first test builds what the others
# run. Memory means nothing under a sanitizer.
if(HOLDFAST_TESTS AND NOT HOLDFAST_SANITIZE AND TARGET hf_test_support)
  add_test(NAME bench_build COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --target bench_tools)
  set_tests_properties(bench_build PROPERTIES LABELS bench TIMEOUT 600 FIXTURES_SETUP bench_tools)
  add_library(hf_bench_samples STATIC EXCLUDE_FROM_ALL bench/tools/process_sample.cpp)
  target_link_libraries(hf_bench_samples PUBLIC holdfast_flags)
  foreach(name yardstick bounded)
    hf_test(bench_${name}_test bench/${name}_test.cpp OPTIMISED LINK hf_bench_samples hf_test_support LABEL bench
            TIMEOUT 900)
    set_target_properties(bench_${name}_test PROPERTIES EXCLUDE_FROM_ALL ON)
    set_tests_properties(bench_${name}_test PROPERTIES FIXTURES_REQUIRED bench_tools RUN_SERIAL ON)
    add_dependencies(bench_tools bench_${name}_test)
  endforeach()
endif()
