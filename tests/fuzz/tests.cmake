# Tests of this folder; paths are relative to tests/.
include(fuzz/codec.cmake)
include(fuzz/link.cmake)
include(fuzz/mcp.cmake)
include(fuzz/conf.cmake)
