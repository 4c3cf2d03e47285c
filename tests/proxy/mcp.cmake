hf_test(endpoint_rewrite_test proxy/mcp/endpoint_rewrite_test.cpp LINK hf_proxy_mcp)
hf_test(era_test proxy/mcp/era_test.cpp LINK hf_proxy_mcp)
hf_test(find_either_test proxy/mcp/find_either_test.cpp LINK hf_proxy_mcp)
hf_test(json_text_test proxy/mcp/json_text_test.cpp LINK hf_proxy_mcp)
hf_test(rpc_message_test proxy/mcp/rpc_message_test.cpp LINK hf_proxy_mcp)
hf_test(rpc_scanner_test proxy/mcp/rpc_scanner_test.cpp LINK hf_proxy_mcp)
hf_test(sse_scanner_test proxy/mcp/sse_scanner_test.cpp LINK hf_proxy_mcp)

