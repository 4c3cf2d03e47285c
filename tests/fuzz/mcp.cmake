hf_fuzz(fuzz_endpoint fuzz/fuzz_endpoint.cpp LINK hf_proxy_mcp)
hf_fuzz(fuzz_sse_scanner fuzz/fuzz_sse_scanner.cpp LINK hf_proxy_mcp)

find_package(simdjson QUIET)
if(simdjson_FOUND)
  hf_fuzz(fuzz_rpc_scanner fuzz/fuzz_rpc_scanner.cpp LINK hf_proxy_mcp simdjson::simdjson)
else()
  message(STATUS "simdjson not found (libsimdjson-dev): fuzz_rpc_scanner is left out")
endif()
