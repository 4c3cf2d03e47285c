# Tests of this folder; paths are relative to tests/.
include(sessiond/core.cmake)
include(sessiond/admin.cmake)
include(sessiond/config.cmake)
include(sessiond/program.cmake)
