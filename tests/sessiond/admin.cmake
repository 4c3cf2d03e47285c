# The admin socket, the HTTP API and holdfastctl.
hf_test(admin_commands_test sessiond/admin_commands_test.cpp LINK hf_sessiond_admin)
hf_test(admin_server_test sessiond/admin_server_test.cpp LINK hf_sessiond_admin)
