# Fuzz targets of the two line sockets.
hf_fuzz(fuzz_link_line fuzz/fuzz_link_line.cpp LINK hf_link)
