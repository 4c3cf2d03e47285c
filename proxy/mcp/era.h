// Which of the three MCP transports a request belongs to, per request and without configuration.
// Pure functions over parsed heads. mcp-wire: legacy = HTTP+SSE 2024-11-05; session = streamable
// HTTP 2025-03-26 … 2025-11-25; modern = sessionless 2026-07-28 and later.
#pragma once

#include <string_view>

#include "proxy/http/message.h"

namespace holdfast::proxy::mcp {

// True for a version date (YYYY-MM-DD) of 2026-07-28 or later.
bool is_modern_version(std::string_view version);

// True when an Accept value admits `type` ("text/event-stream", "application/json") by exact type,
// type/* or */*, and not with q=0. An empty Accept admits nothing here: clients that want a stream
// say so.
bool accepts(std::string_view accept, std::string_view type);

// True when a GET with this Accept asks for an event stream: it names text/event-stream, or names
// nothing in particular ("*/*" alone, or no Accept), as simple clients and curl do. A browser's
// list with "*/*" at its end is not such a request.
bool asks_for_stream(std::string_view accept);

// True when a Content-Type value's media type equals `type`, parameters ignored, without case.
bool content_type_is(std::string_view content_type, std::string_view type);

// The JSON-RPC methods the proxy knows by name.
inline constexpr std::string_view kInitialize = "initialize";
inline constexpr std::string_view kPing = "ping";
inline constexpr std::string_view kToolsCall = "tools/call";
inline constexpr std::string_view kListen = "subscriptions/listen";
inline constexpr std::string_view kCancelled = "notifications/cancelled";

}  // namespace holdfast::proxy::mcp
