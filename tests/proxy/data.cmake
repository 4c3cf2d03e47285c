# The data path's parts that need no worker.
hf_test(access_log_test proxy/access_log_test.cpp LINK hf_proxy_data)
hf_test(address_limit_test proxy/address_limit_test.cpp LINK hf_proxy_data)
hf_test(header_values_test proxy/header_values_test.cpp LINK hf_proxy_data)
hf_test(legacy_places_test proxy/legacy_places_test.cpp LINK hf_proxy_data)
hf_test(legacy_streams_test proxy/legacy_streams_test.cpp LINK hf_proxy_data)
hf_test(output_test proxy/net/output_test.cpp LINK hf_proxy_data)
hf_test(own_answers_test proxy/own_answers_test.cpp LINK hf_proxy_data)
hf_test(route_test proxy/route_test.cpp LINK hf_proxy_data)
hf_test(rpc_answer_test proxy/rpc_answer_test.cpp LINK hf_proxy_data)
hf_test(session_user_test proxy/session_user_test.cpp LINK hf_proxy_data)
hf_test(tls_stream_test proxy/net/tls_stream_test.cpp LINK hf_proxy_data hf_test_tls)
hf_test(timer_wheel_test proxy/net/timer_wheel_test.cpp LINK hf_proxy_data)
hf_test(upstream_test proxy/upstream_test.cpp LINK hf_proxy_data)

# The master's side.
hf_test(log_handover_test proxy/log_handover_test.cpp LINK hf_proxy_program)
hf_test(listening_test proxy/listening_test.cpp LINK hf_proxy_program)
hf_test(master_channel_test proxy/master_channel_test.cpp LINK hf_proxy_program)
