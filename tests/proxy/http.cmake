# The HTTP/1.1 codec.
hf_test(body_decoder_test proxy/http/body_decoder_test.cpp LINK hf_proxy_http)
hf_test(date_test proxy/http/date_test.cpp LINK hf_proxy_http)
hf_test(field_names_test proxy/http/field_names_test.cpp LINK hf_proxy_http)
hf_test(head_parser_test proxy/http/head_parser_test.cpp LINK hf_proxy_http)
hf_test(head_writer_test proxy/http/head_writer_test.cpp LINK hf_proxy_http)
hf_test(response_parser_test proxy/http/response_parser_test.cpp LINK hf_proxy_http)
hf_test(target_test proxy/http/target_test.cpp LINK hf_proxy_http)
