# holdfast-proxy itself: master and serving process.
hf_library(hf_proxy_program
  framed_channel.cpp
  launch.cpp
  listening.cpp
  log_handover.cpp
  master.cpp
  master_channel.cpp
  serving.cpp
  session_bequest.cpp
  signal_master.cpp
  upgrade.cpp
  upgrade_heir.cpp
  LINK hf_proxy_data hf_proxy_control hf_sandbox hf_conf hf_common)
hf_program(holdfast-proxy main.cpp LINK hf_proxy_program)
