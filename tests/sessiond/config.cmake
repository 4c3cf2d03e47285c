# sessiond's configuration and policy values.
hf_test(sessiond_config_test sessiond/config_test.cpp LINK hf_sessiond_config)
hf_test(sessiond_policy_test sessiond/policy_test.cpp LINK hf_sessiond_policy)
