# Configuration files as people write them, the shipped ones, and the tables behind them.
hf_test(conf_files_test conf/conf_files_test.cpp LINK hf_proxy_config hf_sessiond_config)
hf_test(conf_shipped_test conf/shipped_test.cpp LINK hf_proxy_config hf_sessiond_config)
