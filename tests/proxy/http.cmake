# The HTTP/1.1 codec.
hf_test(head_parser_test proxy/http/head_parser_test.cpp LINK hf_proxy_http)
