# The dependency rule, file lengths and forbidden words, and the proof that the check finds them.
# They read sources, not binaries: once is enough, so the sanitizer builds leave them out.
if(HOLDFAST_TESTS AND NOT HOLDFAST_SANITIZE)
  add_test(NAME layers COMMAND ${CMAKE_SOURCE_DIR}/scripts/check-layers.sh)
  add_test(NAME layers_test COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/common/layers_test.sh)
  set_tests_properties(layers layers_test PROPERTIES LABELS unit TIMEOUT 60)
  add_test(NAME lint COMMAND ${CMAKE_SOURCE_DIR}/scripts/lint.sh)
  set_tests_properties(lint PROPERTIES LABELS lint TIMEOUT 600 PROCESSORS 2)
endif()
