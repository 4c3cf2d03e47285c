// What a client's request says about pinging its session's backend while it is silent: whether it
// shows credentials (then never), and what of it a ping repeats (where to, Host, and fields that
// the configuration sets to fixed values). Pure; any thread.
#pragma once

#include <string_view>

#include "proxy/backend_ping.h"
#include "proxy/config.h"
#include "proxy/http/message.h"

namespace holdfast::proxy {

// True when the request carries what tells the backend who asks: Authorization, Cookie, a field
// whose name speaks of keys, tokens or secrets, or the one that names the session's user. In doubt
// it does: a ping without them might be taken for somebody else's.
bool shows_credentials(const ProxySettings &settings, const http::RequestHead &head);

// REQUIRES: settings.backend_ping > 0.
PingTerms ping_terms(const ProxySettings &settings, const http::RequestHead &head,
                     std::string_view proxy_host);

}  // namespace holdfast::proxy
