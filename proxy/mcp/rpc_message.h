// What the proxy needs to know of one JSON-RPC 2.0 message: filled in by RpcScanner. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::proxy::mcp {

inline constexpr size_t kRpcMethodBytesMax =
    128;  // longer: method is reported as "" and method_long set
inline constexpr size_t kRpcIdBytesMax = 256;       // longer: id is not echoed (null)
inline constexpr size_t kRpcCaptureBytesMax = 256;  // other captured strings are cut here
inline constexpr size_t kRpcBatchMessagesMax = 64;  // further members of a batch are counted only

// What a member of params is against RpcScanner::expect().
enum class Match : uint8_t {
  absent,  // or no string
  same,
  other
};

// One JSON-RPC message. Captured text is valid UTF-8 ("?" for bytes that are not, U+FFFD for half a
// surrogate pair) but may hold control characters that were written as escapes. A member of another
// type than named here counts as absent, except id.
struct RpcMessage {
  std::string method;  // unescaped; empty when absent
  std::string id;      // the raw JSON token ("7", "\"a\"", "null"), empty when absent; "null" also
                       // for an id that may not be echoed: another type, malformed, too long
  std::string request_id;   // params.requestId as a raw token (notifications/cancelled), else empty
  std::string client_name;  // params.clientInfo.name, unescaped
  std::string client_version;        // params.clientInfo.version
  std::string protocol_version;      // params._meta["io.modelcontextprotocol/protocolVersion"]
  std::string resource_uri;          // params.uri, unescaped
  std::string tool_name;             // params.name, unescaped
  Match name_match = Match::absent;  // params.name, whole, however long it is
  Match uri_match = Match::absent;   // params.uri
  Match task_match = Match::absent;  // params.taskId
  bool has_method = false;           // a string member "method"
  bool has_id = false;               // a member "id" other than null
  bool has_result = false;           // a member "result" at top level
  bool has_error = false;
  bool method_long = false;
  bool complete = false;  // the closing brace was seen

  // Back to empty. Keeps the strings' capacity, which assigning an empty message need not.
  void clear();

  bool is_request() const { return has_method && has_id; }
  bool is_notification() const { return has_method && !has_id; }
  bool is_response() const { return !has_method && (has_result || has_error); }
};

// True for a well-formed raw JSON token that may be echoed as a JSON-RPC id: a number, a string
// of valid UTF-8 without raw control bytes, or null.
bool echoable_id(std::string_view raw);

}  // namespace holdfast::proxy::mcp
