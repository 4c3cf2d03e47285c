# hf_proxy_config: proxy.conf becomes one immutable Config (see config.h).
hf_library(hf_proxy_config
  config.cpp
  config_header.cpp
  config_load.cpp
  config_server.cpp
  config_upstream.cpp
  config_values.cpp
  directives.cpp
  LINK hf_conf fmt::fmt)
