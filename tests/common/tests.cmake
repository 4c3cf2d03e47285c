# Tests of this folder; paths are relative to tests/.
include(common/layers.cmake)
include(common/link.cmake)
include(common/conf.cmake)
hf_test(daemon_test common/daemon_test.cpp LINK hf_common)
