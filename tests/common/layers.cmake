# The dependency rule, file lengths and forbidden words, and the table of promises; and the proofs that
# the checks find what they look for.
# They read sources, not binaries: once is enough, so the sanitizer builds leave them out.
if(HOLDFAST_TESTS AND NOT HOLDFAST_SANITIZE)
  add_test(NAME layers COMMAND ${CMAKE_SOURCE_DIR}/scripts/check-layers.sh)
  add_test(NAME layers_test COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/common/layers_test.sh)
  add_test(NAME promises COMMAND ${CMAKE_SOURCE_DIR}/scripts/check-promises.sh)
  add_test(NAME promises_test COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/common/promises_test.sh)
  set_tests_properties(layers layers_test promises promises_test PROPERTIES LABELS unit TIMEOUT 60)
  add_test(NAME lint COMMAND ${CMAKE_SOURCE_DIR}/scripts/lint.sh)
  set_tests_properties(lint PROPERTIES LABELS lint TIMEOUT 600 PROCESSORS 2)
endif()

# How the programs were compiled and linked, and the proof that the check would see it. Sanitizers
# and debug builds link otherwise on purpose.
if(HOLDFAST_TESTS AND NOT HOLDFAST_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_test(NAME hardening COMMAND ${CMAKE_SOURCE_DIR}/scripts/check-hardening.sh
           $<TARGET_FILE:holdfast-proxy> $<TARGET_FILE:holdfast-sessiond>)
  add_test(NAME hardening_ctl COMMAND ${CMAKE_SOURCE_DIR}/scripts/check-hardening.sh --no-fortify
           $<TARGET_FILE:holdfastctl>)
  add_test(NAME hardening_test COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/common/hardening_test.sh)
  set_tests_properties(hardening_test PROPERTIES ENVIRONMENT CXX=${CMAKE_CXX_COMPILER})
  set_tests_properties(hardening hardening_ctl hardening_test PROPERTIES LABELS unit TIMEOUT 60)
endif()
