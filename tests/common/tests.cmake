# Tests of this folder; paths are relative to tests/.
include(common/layers.cmake)
include(common/link.cmake)
include(common/conf.cmake)
hf_test(base64_test common/base64_test.cpp LINK hf_common)
hf_test(daemon_test common/daemon_test.cpp LINK hf_common)
# A filtered process has no room for a sanitizer's own calls.
if(NOT HOLDFAST_SANITIZE)
  hf_test(landlock_test common/landlock_test.cpp LINK hf_sandbox)
  hf_test(privileges_test common/privileges_test.cpp LINK hf_sandbox)
  hf_test(syscall_filter_test common/syscall_filter_test.cpp LINK hf_sandbox)
endif()
