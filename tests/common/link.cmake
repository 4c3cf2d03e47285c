# Tests of the link's building blocks and of the small values in common/.
hf_test(close_reason_test common/close_reason_test.cpp LINK hf_common)
hf_test(ids_test common/ids_test.cpp LINK hf_common)
hf_test(json_test common/json_test.cpp LINK hf_link)
hf_test(line_codec_test common/line_codec_test.cpp LINK hf_link)
hf_test(link_messages_test common/link_messages_test.cpp LINK hf_link)
hf_test(log_test common/log_test.cpp LINK hf_common)
hf_test(unix_channel_test common/unix_channel_test.cpp LINK hf_link)
hf_test(unix_listener_test common/unix_listener_test.cpp LINK hf_link)
