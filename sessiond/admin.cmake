# hf_sessiond_admin: the admin socket and its commands.
hf_library(hf_sessiond_admin
  admin_changes.cpp
  admin_commands.cpp
  admin_server.cpp
  admin_servers.cpp
  admin_show.cpp
  service_report.cpp
  session_explain.cpp
  session_lookup.cpp
  session_report.cpp
  LINK hf_link hf_sessiond_core hf_sessiond_config)
