# hf_sessiond: the program's parts around the core; holdfast-sessiond: the program.
hf_library(hf_sessiond
  confinement.cpp
  proxy_link.cpp
  sessiond.cpp
  signal_command.cpp
  LINK hf_link hf_sandbox hf_sessiond_admin hf_sessiond_config hf_sessiond_core hf_sessiond_http)
hf_program(holdfast-sessiond main.cpp
  LINK hf_sessiond PkgConfig::CRYPTO PkgConfig::EVENT PkgConfig::JANSSON)
