# Tests of this folder; paths are relative to tests/.
include(proxy/mcp.cmake)
include(proxy/http.cmake)
include(proxy/registry.cmake)
include(proxy/config.cmake)
include(proxy/data.cmake)
include(proxy/jwt.cmake)
