// What one client address is where sessions are counted per address. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::sessiond {

// An IPv4 address as it is ("192.0.2.1", also of an IPv4-mapped one), the /64 of an IPv6 address
// ("2001:db8:1:2::/64"): a client is given a whole /64 and could be anybody in it. Empty for what
// is no address, as Unix peers have none: those are not counted together.
std::string client_network(std::string_view peer);

}  // namespace holdfast::sessiond
