# What the workers and the control thread share: sessions, backends by number, mailboxes.
hf_library(hf_proxy_registry
  activity_rules.cpp
  backend_claims.cpp
  backend_directory.cpp
  backend_ping.cpp
  backend_stats.cpp
  packed_identity.cpp
  server_orders.cpp
  session_record.cpp
  session_recovery.cpp
  session_registry.cpp
  session_registry_ping.cpp
  session_registry_shared.cpp
  session_registry_recovery.cpp
  session_shard.cpp
  worker_mailbox.cpp
  LINK hf_common hf_link hf_proxy_mcp)

# The control thread: admission and the link to sessiond.
hf_library(hf_proxy_control
  admission_room.cpp
  control.cpp
  free_admission.cpp
  known_policies.cpp
  session_link.cpp
  LINK hf_proxy_registry hf_link)
