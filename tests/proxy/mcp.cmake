hf_test(endpoint_rewrite_test proxy/mcp/endpoint_rewrite_test.cpp LINK hf_proxy_mcp)
hf_test(era_test proxy/mcp/era_test.cpp LINK hf_proxy_mcp)
hf_test(rpc_scanner_test proxy/mcp/rpc_scanner_test.cpp LINK hf_proxy_mcp)
hf_test(sse_scanner_test proxy/mcp/sse_scanner_test.cpp LINK hf_proxy_mcp)
