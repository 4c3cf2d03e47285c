# The proxy's configuration.
hf_test(proxy_config_test proxy/config_test.cpp LINK hf_proxy_config)
hf_test(config_location_test proxy/config_location_test.cpp LINK hf_proxy_data)
hf_test(config_map_test proxy/config_map_test.cpp LINK hf_proxy_data)
hf_test(config_tls_test proxy/config_tls_test.cpp LINK hf_proxy_config hf_test_tls)
hf_test(text_pattern_test proxy/text_pattern_test.cpp LINK hf_proxy_config)
