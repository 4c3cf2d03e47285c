// JSON-RPC messages and SSE events as text: what every transport of the demo backend writes. Pure;
// any thread.
#pragma once

#include <string>
#include <string_view>

#include "common/json.h"

namespace holdfast::demo {

inline constexpr int kErrorSession = -32001;
inline constexpr int kErrorServer = -32000;
inline constexpr int kErrorHeaderMismatch = -32020;
inline constexpr int kErrorVersion = -32022;
inline constexpr int kErrorMethod = -32601;
inline constexpr int kErrorParams = -32602;
inline constexpr int kErrorParse = -32700;

inline constexpr std::string_view kModernVersion = "2026-07-28";
inline constexpr const char *kMetaVersion = "io.modelcontextprotocol/protocolVersion";
inline constexpr const char *kMetaSubscription = "io.modelcontextprotocol/subscriptionId";
inline constexpr const char *kMetaServer = "io.modelcontextprotocol/serverInfo";

// Null when `text` is not one JSON document.
JsonPtr parse_json(std::string_view text);
std::string dump_json(const json_t *value);

// A new reference to a borrowed value; JSON null for nullptr.
JsonPtr share(const json_t *value);

// A string value; text that is not UTF-8 becomes "(not UTF-8)".
JsonPtr text_json(std::string_view text);

// The string member, empty when absent or of another type; lives as long as `object`.
std::string_view text_member(const json_t *object, const char *name);
// The integer member, or `fallback`.
int64_t int_member(const json_t *object, const char *name, int64_t fallback);

// The three kinds of message. `id` is borrowed; nullptr gives "id":null.
JsonPtr rpc_result(const json_t *id, JsonPtr result);
JsonPtr rpc_error(const json_t *id, int code, std::string_view message, JsonPtr data = nullptr);
JsonPtr rpc_notification(const char *method, JsonPtr params);

// One `message` event; without an `id:` line when `event_id` is empty.
std::string message_event(std::string_view event_id, const json_t *message);
// The event that gives the client an id to resume from before anything was said.
std::string priming_event(std::string_view event_id);

}  // namespace holdfast::demo
