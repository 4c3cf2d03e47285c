# End-to-end tests: the built programs as a user runs them; paths are relative to tests/.
if(HOLDFAST_TESTS)
  hf_library(hf_test_tls
    support/certificates.cpp
    LINK PkgConfig::CMOCKA PkgConfig::SSL PkgConfig::CRYPTO PkgConfig::EVENT)
  hf_library(hf_test_support
    support/connection.cpp
    support/http_client.cpp
    support/json_view.cpp
    support/mcp_client.cpp
    support/pair.cpp
    support/process.cpp
    support/scripted_backend.cpp
    support/sse_client.cpp
    support/tls_tunnel.cpp
    support/two_hosts.cpp
    LINK hf_test_tls PkgConfig::CMOCKA PkgConfig::JANSSON PkgConfig::EVENT Threads::Threads)
  target_compile_definitions(hf_test_support PUBLIC HF_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  add_dependencies(hf_test_support holdfast-demo-backend)
  foreach(program holdfast-proxy holdfast-sessiond holdfastctl)
    if(TARGET ${program})
      add_dependencies(hf_test_support ${program})
    endif()
  endforeach()
endif()

# e2e(NAME): tests/e2e/NAME_test.cpp.
function(e2e name)
  hf_test(e2e_${name}_test e2e/${name}_test.cpp LINK hf_test_support LABEL e2e TIMEOUT 60)
endfunction()

e2e(demo)
if(TARGET holdfast-sessiond)
  e2e(env)
endif()
if(TARGET holdfast-proxy AND TARGET holdfast-sessiond AND TARGET holdfastctl)
  foreach(name admin backend_ping binding caps early_stream errors expiry forgery health leftover legacy legacy_recovery legacy_unopened
          life_told modern
          no_way_in not_found persistent recovery relay reload sessiond_restart shutdown siblings streamable upgrade
          upgrade_refused users)
    e2e(${name})
  endforeach()
  # Real time has to pass on hosts of its own; skipped where network namespaces cannot be made.
  hf_test(e2e_dead_peer_test e2e/dead_peer_test.cpp LINK hf_test_support LABEL e2e TIMEOUT 180)
  # Several servers.
  foreach(name affinity backends health_checks routing)
    e2e(${name})
  endforeach()
  e2e(tls)
  if(HOLDFAST_JWT)
    hf_test(e2e_jwt_test e2e/jwt_test.cpp LINK hf_test_support hf_test_tokens LABEL e2e TIMEOUT 60)
  endif()
  # The data path by its bytes.
  foreach(name answer_limits backpressure deadlines expect header_check limits odd_bodies one_at_a_time wire_requests wire_responses)
    e2e(${name})
  endforeach()
  e2e(tls_backend)
  # A sanitizer leaves the sandbox out.
  if(NOT HOLDFAST_SANITIZE)
    e2e(sandbox)
    target_link_libraries(e2e_sandbox_test PRIVATE hf_sandbox)
  endif()
  e2e(faults)
  # Sanitizers want to come first in a program; the preloaded library would.
  file(GLOB HF_FAKETIME /usr/lib/*/faketime/libfaketimeMT.so.1)
  if(HF_FAKETIME AND NOT HOLDFAST_SANITIZE AND TARGET e2e_faults_test)
    target_compile_definitions(e2e_faults_test PRIVATE HF_FAKETIME="${HF_FAKETIME}")
  endif()
endif()

# Every fault once on the real programs under load, each answer judged from outside (soak/README.md).
find_program(HF_PYTHON3 python3)
if(TARGET holdfast-proxy AND HF_PYTHON3 AND HOLDFAST_TESTS AND NOT HOLDFAST_SANITIZE)
  add_custom_target(soak_tools ALL)
  add_dependencies(soak_tools mcp-mock mcp-load)
  add_test(NAME soak_each COMMAND ${HF_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/soak/soak.py --each
           --minutes 0.3 --seed 5 --bin ${CMAKE_BINARY_DIR}/bin)
  set_tests_properties(soak_each PROPERTIES LABELS soak TIMEOUT 240)
endif()

# scripts/run.sh, with the programs of this build.
if(HOLDFAST_TESTS AND NOT HOLDFAST_SANITIZE STREQUAL "thread")
  add_test(NAME run_script_test COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/e2e/run_script_test.sh)
  set_tests_properties(run_script_test PROPERTIES LABELS e2e TIMEOUT 120
                       ENVIRONMENT HF_BIN_DIR=${CMAKE_BINARY_DIR}/bin)
endif()
