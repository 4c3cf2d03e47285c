# hf_sessiond_policy: the policy's values and its smart default (pure).
# hf_sessiond_config: sessiond.conf, .env, the environment and -g become one Config.
hf_library(hf_sessiond_policy core/policy.cpp)
hf_library(hf_sessiond_config
  config.cpp
  config_env.cpp
  config_load.cpp
  config_sockets.cpp
  directives.cpp
  LINK hf_conf hf_sessiond_policy fmt::fmt)
