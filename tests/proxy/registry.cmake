# Registry, directory, mailboxes and the control side; paths are relative to tests/.
hf_test(session_registry_test proxy/session_registry_test.cpp LINK hf_proxy_registry)
hf_test(session_idleness_test proxy/session_idleness_test.cpp LINK hf_proxy_registry)
hf_test(session_shared_test proxy/session_shared_test.cpp LINK hf_proxy_registry)
hf_test(legacy_sessions_test proxy/legacy_sessions_test.cpp LINK hf_proxy_registry)
hf_test(session_recovery_test proxy/session_recovery_test.cpp LINK hf_proxy_registry)
hf_test(why_ended_test proxy/why_ended_test.cpp LINK hf_proxy_registry)
hf_test(backend_claims_test proxy/backend_claims_test.cpp LINK hf_proxy_registry)
hf_test(backend_directory_test proxy/backend_directory_test.cpp LINK hf_proxy_registry)
hf_test(server_orders_test proxy/server_orders_test.cpp LINK hf_proxy_registry)
hf_test(worker_mailbox_test proxy/worker_mailbox_test.cpp LINK hf_proxy_registry
        WORKER)
hf_test(registry_race_test proxy/registry_race_test.cpp LINK hf_proxy_registry
        WORKER)
hf_test(packed_identity_test proxy/packed_identity_test.cpp LINK hf_proxy_registry)
hf_test(admission_room_test proxy/admission_room_test.cpp LINK hf_proxy_control)
hf_test(session_link_test proxy/session_link_test.cpp LINK hf_proxy_control)
hf_test(control_test proxy/control_test.cpp LINK hf_proxy_control
        WORKER)
