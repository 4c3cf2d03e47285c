# The simulations: seeded histories of failures under a virtual clock. sim/README.md tells how to
# look into a seed. Under a sanitizer each step costs ten times as much, so fewer seeds run there.
if(HOLDFAST_TESTS AND NOT HOLDFAST_SANITIZE STREQUAL "thread")
  set(sim_seeds 10000)
  if(HOLDFAST_SANITIZE)
    set(sim_seeds 300)
  endif()
  add_library(hf_sim STATIC
    sim/core_model_actions.cpp
    sim/core_model_check.cpp
    sim/core_model_events.cpp
    sim/naive_proxy.cpp
    sim/scenario.cpp
    sim/world.cpp
    sim/world_clients.cpp
    sim/world_faults.cpp
    sim/world_links.cpp)
  target_link_libraries(hf_sim PUBLIC holdfast_flags hf_sessiond_core hf_link fmt::fmt)
  add_library(hf_sim_runner STATIC sim/runner.cpp)
  target_link_libraries(hf_sim_runner PUBLIC holdfast_flags fmt::fmt)

  # hf_sim_test(NAME SEEDS FILE SOURCES... LINK LIBS...)
  function(hf_sim_test name)
    cmake_parse_arguments(ARG "" "SEEDS" "LINK" ${ARGN})
    add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
    target_link_libraries(${name} PRIVATE hf_sim_runner ${ARG_LINK})
    target_compile_definitions(${name} PRIVATE
      SEEDS_FILE="${CMAKE_CURRENT_SOURCE_DIR}/sim/${ARG_SEEDS}")
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name} --seeds ${sim_seeds})
    set_tests_properties(${name} PROPERTIES LABELS sim TIMEOUT 300)
  endfunction()

  hf_sim_test(sim_core_test sim/core_sim.cpp SEEDS seeds.txt LINK hf_sim)
  hf_sim_test(sim_pair_test sim/pair_sim.cpp sim/registry_proxy.cpp SEEDS seeds.txt
              LINK hf_sim hf_proxy_control)
  # The worker asks the kernel for little: what it asks is answered by sim/exchange_sockets.cpp.
  hf_sim_test(sim_exchange_test
    sim/exchange_books.cpp
    sim/exchange_check.cpp
    sim/exchange_client.cpp
    sim/exchange_meddling.cpp
    sim/exchange_plan.cpp
    sim/exchange_server.cpp
    sim/exchange_sim.cpp
    sim/exchange_sockets.cpp
    sim/exchange_wire.cpp
    sim/exchange_world.cpp
    SEEDS exchange_seeds.txt LINK hf_proxy_data hf_proxy_config hf_common)
  target_link_options(sim_exchange_test PRIVATE -Wl,--wrap=connect -Wl,--wrap=setsockopt)
  # Every lie about what the proxy did must be found out.
  add_test(NAME sim_exchange_lies_test COMMAND sim_exchange_test --lies)
  set_tests_properties(sim_exchange_lies_test PROPERTIES LABELS sim TIMEOUT 300)
endif()
