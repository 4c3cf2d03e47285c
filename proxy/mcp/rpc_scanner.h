// Finds method, id and a few named members of JSON-RPC messages while the body streams through:
// depth and strings only, no tree, bounded memory, any body size, never recursive. It does not
// validate what it does not visit (the backend is the judge); what it does not understand is
// reported as `unclear`, never as an error to the peer. JSON-RPC 2.0; RFC 8259.
// Pure; one scanner per body; reset() keeps capacity, so steady state does not allocate.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::proxy::mcp {

inline constexpr size_t kRpcMethodBytesMax =
    128;  // longer: method is reported as "" and method_long set
inline constexpr size_t kRpcIdBytesMax = 256;       // longer: id is not echoed (null)
inline constexpr size_t kRpcCaptureBytesMax = 256;  // other captured strings are cut here
inline constexpr size_t kRpcBatchMessagesMax = 64;  // further members of a batch are counted only

struct RpcMessage {
  std::string method;       // unescaped; empty when absent
  std::string id;           // the raw JSON token ("7", "\"a\"", "null"), empty when absent
  std::string request_id;   // params.requestId as a raw token (notifications/cancelled), else empty
  std::string client_name;  // params.clientInfo.name, unescaped
  std::string client_version;    // params.clientInfo.version
  std::string protocol_version;  // params._meta["io.modelcontextprotocol/protocolVersion"]
  std::string resource_uri;      // params.uri, unescaped
  std::string tool_name;         // params.name, unescaped
  bool has_method = false;
  bool has_result = false;  // a member "result" at top level
  bool has_error = false;
  bool method_long = false;
  bool complete = false;  // the closing brace was seen

  bool is_request() const { return has_method && !id.empty() && id != "null"; }
  bool is_notification() const { return has_method && (id.empty() || id == "null"); }
  bool is_response() const { return !has_method && (has_result || has_error); }
};

class RpcScanner {
 public:
  enum class State : uint8_t {
    more,    // inside the document
    done,    // the top-level value is complete; further bytes but white space make it unclear
    unclear  // not one JSON object or an array of objects, or nested deeper than kDepthMax
  };
  static constexpr int kDepthMax = 512;

  void reset();
  State feed(std::string_view bytes);
  State state() const { return state_; }
  bool batch() const { return batch_; }

  // The messages seen so far, the last one possibly incomplete.
  const RpcMessage *begin() const { return messages_.data(); }
  const RpcMessage *end() const { return messages_.data() + count_; }
  size_t size() const { return count_; }
  // The first message, or an empty one before its opening brace.
  const RpcMessage &first() const;
  // True once the first message's kind cannot be in doubt for routing: its method is known, or the
  // message is complete, or the document is unclear.
  bool routable() const;
  uint64_t messages_total() const { return messages_total_; }  // also those beyond the batch bound

 private:
  // To be designed by the implementation.
  std::vector<RpcMessage> messages_;
  size_t count_ = 0;
  uint64_t messages_total_ = 0;
  State state_ = State::more;
  bool batch_ = false;
};

// True for a well-formed raw JSON token that may be echoed as a JSON-RPC id: a number, a string
// without raw control bytes, or null.
bool echoable_id(std::string_view raw);

}  // namespace holdfast::proxy::mcp
