// The legacy transport's `endpoint` event (HTTP+SSE 2024-11-05): understands the backend's value
// and writes ours. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/result.h"

namespace holdfast::proxy::mcp {

inline constexpr size_t kEndpointEventBytesMax = 8 * 1024;  // the whole first event

// Where a backend wants messages of a legacy session to be POSTed.
// `value`: the data of the endpoint event, a relative or absolute URI (RFC 3986 section 5), not
// empty. `base_path`: path of the GET that opened the stream. `allowed_authorities`: host[:port]
// values that count as the backend's own origin (its address, and the Host we forwarded), compared
// without case, default port 80/443 implied. Result: the origin-form target (path without dot
// segments, and query; only bytes a request target may have); a fragment is dropped.
// Errc::protocol: malformed, too long, another origin, userinfo, a scheme other than http(s).
Result<std::string> resolve_endpoint(std::string_view value, std::string_view base_path,
                                     const std::string_view *allowed_authorities,
                                     size_t authorities_count);

// The whole event we send instead: "event: endpoint\ndata: PATH?sessionId=ID\n\n".
// `path`: the path of the client's GET as received.
std::string endpoint_event(std::string_view path, std::string_view session_id);

// The session id in a message POST's query: the value of `sessionId` or `session_id`; empty if none
// or repeated. Not percent-decoded (our ids never need it).
std::string_view session_id_in_query(std::string_view query);

// `target` with the value of every sessionId/session_id parameter (in any case) shortened to its
// first 8 characters and "…", for logs: such a value is a credential. `target`: a request target, a
// request line, a bare query or a referrer. Returns the input unchanged when there is none.
std::string mask_session_ids(std::string_view target);

}  // namespace holdfast::proxy::mcp
