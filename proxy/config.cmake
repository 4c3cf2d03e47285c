# hf_proxy_tls: TLS on a descriptor, and what its connections share.
hf_library(hf_proxy_tls
  net/tls_context.cpp
  net/tls_stream.cpp
  LINK hf_common hf_conf PkgConfig::SSL PkgConfig::CRYPTO PkgConfig::EVENT)

# hf_proxy_config: proxy.conf becomes one immutable Config (see config.h).
hf_library(hf_proxy_config
  config.cpp
  config_header.cpp
  config_load.cpp
  config_server.cpp
  config_tls.cpp
  config_upstream.cpp
  config_values.cpp
  directives.cpp
  LINK hf_conf hf_proxy_tls fmt::fmt)
