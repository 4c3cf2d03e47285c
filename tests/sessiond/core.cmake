# Tests of sessiond/core; paths are relative to tests/.
hf_test(sessiond_core_admission sessiond/core/admission_test.cpp LINK hf_sessiond_core)
hf_test(sessiond_core_health sessiond/core/health_test.cpp LINK hf_sessiond_core)
hf_test(sessiond_core_reaper sessiond/core/reaper_test.cpp LINK hf_sessiond_core)
hf_test(sessiond_core_scale sessiond/core/scale_test.cpp LINK hf_sessiond_core)
hf_test(sessiond_core_session_table sessiond/core/session_table_test.cpp LINK hf_sessiond_core)
hf_test(sessiond_core_step_admin sessiond/core/step_admin_test.cpp LINK hf_sessiond_core)
hf_test(sessiond_core_step_expiry sessiond/core/step_expiry_test.cpp LINK hf_sessiond_core)
hf_test(sessiond_core_step_links sessiond/core/step_links_test.cpp LINK hf_sessiond_core)
