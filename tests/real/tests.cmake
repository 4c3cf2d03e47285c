# The official SDK clients and servers through the pair of daemons (label real); see README.md.
# A sanitizer build leaves them out: what they add to the e2e tests is other people's code.

# hf_real_test(NAME SCRIPT ARGUMENT…)
function(hf_real_test name)
  add_test(NAME real_${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/real/node.sh ${ARGN})
  set_tests_properties(real_${name} PROPERTIES LABELS real TIMEOUT 180 SKIP_RETURN_CODE 77
                       ENVIRONMENT HF_BIN_DIR=${CMAKE_BINARY_DIR}/bin)
endfunction()

if(HOLDFAST_TESTS AND NOT HOLDFAST_SANITIZE)
  foreach(test sdk1_streamable sdk1_legacy sdk2_streamable sdk2_legacy sdk2_modern tls expiry ends recovery
               slow_answer stream_again legacy_zombies affinity caps routing)
    hf_real_test(${test} ${test}_test.mjs)
  endforeach()
  if(HOLDFAST_JWT)
    hf_real_test(jwt jwt_test.mjs)
  endif()
  foreach(revision 2025-11-25 2026-07-28)
    hf_real_test(conformance_${revision} conformance.mjs --revision ${revision})
    hf_real_test(conformance_control_${revision} conformance_control_test.mjs ${revision})
  endforeach()
  # Our codec beside Node's own parser: no daemons take part.
  add_executable(codec_events ${CMAKE_CURRENT_SOURCE_DIR}/real/codec_events.cpp)
  target_link_libraries(codec_events PRIVATE holdfast_flags hf_proxy_http)
  hf_real_test(framing framing_test.mjs)
  set_property(TEST real_framing APPEND PROPERTY ENVIRONMENT
               HF_CODEC_EVENTS=$<TARGET_FILE:codec_events>)
endif()
