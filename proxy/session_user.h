// Who a request's session belongs to (session_user, SPEC section 1). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/config.h"
#include "proxy/http/message.h"

namespace holdfast::proxy {

// "-" when the request names nobody. `trusted`: the peer is one of trusted_proxies, the only ones a
// user header is believed from. nullopt: the naming header is there twice, over 256 bytes, or has
// control characters or obs-text (the answer is 400). A bearer token becomes its SHA-256 in hex.
// REQUIRES: the rule is not jwt, whose user a JwtCache knows.
std::optional<std::string> session_user(const SessionUser &rule, const http::RequestHead &head,
                                        bool trusted, std::string_view peer_ip);

// The token of "Authorization: Bearer TOKEN"; empty without one. The codec refuses the field twice.
std::string_view bearer_token(const http::RequestHead &head) noexcept;

}  // namespace holdfast::proxy
