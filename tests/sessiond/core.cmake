# Tests of sessiond/core; paths are relative to tests/.
hf_test(sessiond_core_step_links sessiond/core/step_links_test.cpp LINK hf_sessiond_core)
