# The official SDK clients and servers through the pair of daemons (label real); see README.md.
# A sanitizer build leaves them out: what they add to the e2e tests is other people's code.
if(HOLDFAST_TESTS AND NOT HOLDFAST_SANITIZE)
  foreach(test sdk1_streamable sdk1_legacy sdk2_streamable sdk2_legacy sdk2_modern expiry)
    add_test(NAME real_${test} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/real/node.sh ${test}_test.mjs)
    set_tests_properties(real_${test} PROPERTIES LABELS real TIMEOUT 180 SKIP_RETURN_CODE 77
                         ENVIRONMENT HF_BIN_DIR=${CMAKE_BINARY_DIR}/bin)
  endforeach()
endif()
