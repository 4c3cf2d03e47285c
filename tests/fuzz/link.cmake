# Fuzz targets of the three Unix sockets.
hf_fuzz(fuzz_link_line fuzz/fuzz_link_line.cpp LINK hf_link)
hf_fuzz(fuzz_admin_line fuzz/fuzz_admin_line.cpp LINK hf_sessiond_admin)
hf_fuzz(fuzz_http_head fuzz/fuzz_http_head.cpp LINK hf_sessiond_http)
