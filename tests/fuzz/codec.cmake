# The HTTP/1.1 codec.
hf_fuzz(fuzz_body_decoder fuzz/fuzz_body_decoder.cpp LINK hf_proxy_http)
hf_fuzz(fuzz_request_head fuzz/fuzz_request_head.cpp LINK hf_proxy_http)
hf_fuzz(fuzz_response_head fuzz/fuzz_response_head.cpp LINK hf_proxy_http)
