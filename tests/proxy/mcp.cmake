hf_test(endpoint_rewrite_test proxy/mcp/endpoint_rewrite_test.cpp LINK hf_proxy_mcp)
hf_test(era_test proxy/mcp/era_test.cpp LINK hf_proxy_mcp)
hf_test(field_text_test proxy/mcp/field_text_test.cpp LINK hf_proxy_mcp)
hf_test(find_either_test proxy/mcp/find_either_test.cpp LINK hf_proxy_mcp)
hf_test(head_check_test proxy/mcp/head_check_test.cpp LINK hf_proxy_mcp)
hf_test(json_text_test proxy/mcp/json_text_test.cpp LINK hf_proxy_mcp)
hf_test(message_event_test proxy/mcp/message_event_test.cpp LINK hf_proxy_mcp)
hf_test(rpc_message_test proxy/mcp/rpc_message_test.cpp LINK hf_proxy_mcp)
hf_test(rpc_scanner_test proxy/mcp/rpc_scanner_test.cpp LINK hf_proxy_mcp)
hf_test(sse_scanner_test proxy/mcp/sse_scanner_test.cpp LINK hf_proxy_mcp)

# simdjson is a reference to test against, not a dependency of the programs.
find_package(simdjson QUIET)
if(simdjson_FOUND)
  hf_test(rpc_scanner_differential_test proxy/mcp/rpc_scanner_differential_test.cpp OPTIMISED
          LINK hf_proxy_mcp simdjson::simdjson PkgConfig::JANSSON)
else()
  message(STATUS "simdjson not found (libsimdjson-dev): rpc_scanner_differential_test is left out")
endif()
