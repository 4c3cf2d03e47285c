# hf_proxy_config: proxy.conf becomes one immutable Config (see config.h).
hf_library(hf_proxy_config
  config.cpp
  LINK hf_conf fmt::fmt)
