// Texts the proxy says in its own name: JSON-RPC errors and the graceful end of a listen stream.
// They never echo request bytes but a well-formed id. Pure. JSON-RPC 2.0 section 5.1.
#pragma once

#include <string>
#include <string_view>

#include "proxy/session_registry.h"

namespace holdfast::proxy {

inline constexpr int kRpcServerError = -32000;
inline constexpr int kRpcSessionNotFound = -32001;
inline constexpr int kRpcHeaderMismatch = -32020;

// `raw_id`: the request's id as a raw JSON token; anything that may not be echoed becomes null.
// `reason`: a word of ours for error.data.reason; empty: no data.
std::string rpc_error_body(std::string_view raw_id, int code, std::string_view message,
                           std::string_view reason = {});

// One server-sent `message` event that carries this JSON text.
std::string message_event(std::string_view json);

// What tells an event stream's client to come back after so long; dispatches nothing.
std::string retry_event(Millis after);

// The result that ends a subscriptions/listen stream gracefully (2026-07-28).
std::string listen_result(std::string_view raw_id);

// A JSON string with its quotes. UTF-8 stays as it is, but for what a terminal or a reader of lines
// would obey; a byte that is no part of it becomes \u00XX.
void append_json_string(std::string &out, std::string_view text);

// The body of /health while sessiond is away (SPEC section 1, Health).
std::string degraded_health(bool draining, const RegistryCounts &counts, bool users);

// The code of the JSON-RPC error that goes with an HTTP status of ours.
int rpc_code_for(int status);

}  // namespace holdfast::proxy
