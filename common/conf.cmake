# hf_conf: nginx grammar, units, .env, addresses, the daemons' command line (see conf_parser.h)
hf_library(hf_conf
  socket_address.cpp
  suggest.cpp
  units.cpp)
