# hf_conf: nginx grammar, units, .env, addresses, the daemons' command line (see conf_parser.h)
hf_library(hf_conf
  command_line.cpp
  conf_bundle.cpp
  conf_check.cpp
  conf_dump.cpp
  conf_lexer.cpp
  conf_parser.cpp
  conf_report.cpp
  conf_schema.cpp
  conf_source.cpp
  conf_values.cpp
  env_file.cpp
  socket_address.cpp
  suggest.cpp
  units.cpp
  version.cpp
  LINK fmt::fmt)
set_source_files_properties(version.cpp PROPERTIES COMPILE_DEFINITIONS
  "HOLDFAST_VERSION=\"${PROJECT_VERSION}\";HOLDFAST_COMPILER=\"${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}\";HOLDFAST_BUILD_OPTIONS=\"-DCMAKE_BUILD_TYPE=${CMAKE_BUILD_TYPE} -DHOLDFAST_SANITIZE=${HOLDFAST_SANITIZE} -DHOLDFAST_JWT=${HOLDFAST_JWT}\";HOLDFAST_CONF_DIR=\"/etc/holdfast\"")
