# The admin socket, the HTTP API and holdfastctl.
hf_test(admin_commands_test sessiond/admin_commands_test.cpp LINK hf_sessiond_admin)
hf_test(admin_server_test sessiond/admin_server_test.cpp LINK hf_sessiond_admin)
hf_test(http_api_test sessiond/http_api_test.cpp LINK hf_sessiond_http)
hf_test(http_head_test sessiond/http_head_test.cpp LINK hf_sessiond_http)
hf_test(http_routes_test sessiond/http_routes_test.cpp LINK hf_sessiond_http)
hf_test(ctl_command_line_test sessiond/ctl_command_line_test.cpp LINK hf_ctl)
hf_test(ctl_render_test sessiond/ctl_render_test.cpp LINK hf_ctl)
hf_test(ctl_verbs_test sessiond/ctl_verbs_test.cpp LINK hf_ctl hf_sessiond_admin)
