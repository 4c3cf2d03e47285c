# hf_proxy_tls: TLS on a descriptor, and what its connections share.
hf_library(hf_proxy_tls
  net/tls_context.cpp
  net/tls_stream.cpp
  LINK hf_common hf_conf PkgConfig::SSL PkgConfig::CRYPTO PkgConfig::EVENT)

# hf_proxy_jwt: verified tokens; the one place that knows libjwt.
if(HOLDFAST_JWT)
  set(jwt_sources jwt_verifier.cpp)
  set(jwt_library PkgConfig::JWT)
else()
  set(jwt_sources jwt_absent.cpp)
  set(jwt_library)
endif()
hf_library(hf_proxy_jwt
  jwt_claims.cpp
  jwt_key.cpp
  ${jwt_sources}
  LINK hf_link hf_proxy_tls PkgConfig::CRYPTO ${jwt_library})
if(HOLDFAST_JWT)
  target_compile_definitions(hf_proxy_jwt INTERFACE HOLDFAST_HAS_JWT)
endif()

# hf_proxy_config: proxy.conf becomes one immutable Config (see config.h).
hf_library(hf_proxy_config
  config.cpp
  config_balance.cpp
  config_header.cpp
  config_health.cpp
  config_jwt.cpp
  config_load.cpp
  config_location.cpp
  config_map.cpp
  config_server.cpp
  config_tls.cpp
  config_upstream.cpp
  config_values.cpp
  directives.cpp
  text_pattern.cpp
  LINK hf_conf hf_proxy_tls hf_proxy_jwt fmt::fmt)
