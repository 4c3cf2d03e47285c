# Tests of the program around the core; paths are relative to tests/.
hf_test(sessiond_proxy_link sessiond/proxy_link_test.cpp LINK hf_sessiond)
hf_test(sessiond_sessiond sessiond/sessiond_test.cpp LINK hf_sessiond)
