// From a request's Host and path to the location that answers it, and whether its Host and Origin
// may be answered at all. Pure: reads the configuration, keeps nothing, allocates nothing.
#pragma once

#include <string_view>

#include "proxy/config.h"

namespace holdfast::proxy {

// The server block of a listener whose name matches (exact, then the longest "*.suffix"), else the
// listener's default. `host` as received, with or without port.
const Server &find_server(const Config &config, const Listener &listener,
                          std::string_view host) noexcept;

// What the head of a request says of the message in its body; empty: nothing.
struct MessageFields {
  std::string_view method;
  std::string_view name;  // as it is meant
};

// The exact location of this path, else the longest prefix; of several of one path the first whose
// mcp_method and mcp_name are met, else the one without. Where none is met the search goes on with
// shorter prefixes. nullptr when none matches. `path` is raw.
const Location *find_location(const Server &server, std::string_view path,
                              const MessageFields &fields) noexcept;

// The rule of this map that a text meets: the exact one, else the longest mask ("TEXT*"), else the
// first expression ("~^TEXT") in the order they stand in, else `default`: nginx's order.
size_t find_rule(const UpstreamMap &map, std::string_view text) noexcept;

// DNS rebinding (SPEC section 3): on loopback listeners only loopback names, the server's names and
// the listed hosts; elsewhere everything unless a list is set.
bool host_allowed(const Listener &listener, const Server &server, const ProxySettings &settings,
                  std::string_view host) noexcept;
// The same for Origin ("null" is nobody's name). REQUIRES: the request has an Origin.
bool origin_allowed(const Listener &listener, const Server &server, const ProxySettings &settings,
                    std::string_view origin) noexcept;

}  // namespace holdfast::proxy
