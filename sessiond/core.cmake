# hf_sessiond_core: sessiond's judgement, step(event, now) -> actions. Pure: no clock, no I/O.
hf_library(hf_sessiond_core
  core/admission.cpp
  core/client_address.cpp
  core/command_steps.cpp
  core/commands.cpp
  core/deadlines.cpp
  core/eviction.cpp
  core/health.cpp
  core/link_steps.cpp
  core/log_lines.cpp
  core/policy_table.cpp
  core/prefix_index.cpp
  core/reaper.cpp
  core/reports.cpp
  core/server_orders.cpp
  core/server_steps.cpp
  core/session_steps.cpp
  core/session_table.cpp
  core/share_steps.cpp
  core/sharing.cpp
  core/step.cpp
  core/text_pool.cpp
  core/time_steps.cpp
  core/tombstones.cpp
  LINK hf_common hf_sessiond_policy fmt::fmt)
