# The data path: connections, exchanges, workers.
hf_library(hf_proxy_data
  acceptor.cpp
  access_log.cpp
  address_limit.cpp
  backend_call.cpp
  backend_conn.cpp
  backend_pool.cpp
  client_conn.cpp
  exchange_early.cpp
  exchange_end.cpp
  exchange_log.cpp
  exchange_request.cpp
  exchange_response.cpp
  exchange_session.cpp
  exchange_unopened.cpp
  header_values.cpp
  legacy_places.cpp
  legacy_streams.cpp
  net/output.cpp
  net/timer_wheel.cpp
  own_answers.cpp
  route.cpp
  session_user.cpp
  upstream.cpp
  worker.cpp
  LINK hf_proxy_http hf_proxy_mcp hf_proxy_config hf_proxy_registry hf_proxy_control hf_link hf_common
       PkgConfig::CRYPTO)
