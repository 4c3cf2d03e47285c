// The handlers behind the rows of admin_commands.cpp, one function each: show_… read, the others
// change something and log who asked for it. Private to the admin commands. Loop thread only.
#pragma once

#include "sessiond/admin_commands.h"

namespace holdfast::sessiond {

// admin_show.cpp
void explain_session(const AdminCall &call);
void show_config(const AdminCall &call);
void show_health(const AdminCall &call);
void show_info(const AdminCall &call);
void show_proxies(const AdminCall &call);
void show_sessions(const AdminCall &call);
void show_stat(const AdminCall &call);
void show_version(const AdminCall &call);

// admin_changes.cpp
void change_drain(const AdminCall &call);
void change_reload(const AdminCall &call);
void change_session(const AdminCall &call);
void shutdown_session(const AdminCall &call);
void shutdown_user(const AdminCall &call);

// admin_servers.cpp
void set_server(const AdminCall &call);
void show_backend(const AdminCall &call);
void show_servers(const AdminCall &call);

// The open session or reservation whose id begins with `text`; nullptr after call.fail() said why
// there is none.
const Session *find_session_or_fail(const AdminCall &call, std::string_view text);

}  // namespace holdfast::sessiond
