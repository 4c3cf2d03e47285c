// What the proxy reads of JSON-RPC answers when a backend session is lost or opened again: whether
// two initialize results promise the client the same, and whether a refusal means that the session
// is unknown. Off the data path: whole texts of at most 64 KiB. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace holdfast::proxy {

// Stands for protocolVersion, capabilities and serverInfo of the result in this answer to an
// initialize: equal values, equal promises, in whatever order their members come. nullopt: no
// result is in it. Instructions and _meta may differ: they bind nobody.
std::optional<uint64_t> initialize_fingerprint(std::string_view answer);

// Whether a backend's answer with this status says that it does not know the session (any more), so
// that it did not run the request: 404, unless it is an unknown method's (-32601); or 400 with a
// JSON-RPC error that speaks of session or initialize and not of this very request
// (server-everything's habit). `raw_id`: the request's id; empty when it has none.
bool means_session_lost(int status, std::string_view body, std::string_view raw_id);

// Whether this text is a JSON-RPC response with a result (true) or an error (false); nullopt: it is
// no response.
std::optional<bool> is_result(std::string_view message);

}  // namespace holdfast::proxy
