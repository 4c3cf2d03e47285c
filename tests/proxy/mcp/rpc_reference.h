// What RpcScanner must find in a document, computed the slow way: simdjson's tree, walked with
// recursion and without bounds. Shared by the differential test and the fuzz target.
#pragma once

#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/mcp/rpc_scanner.h"

namespace holdfast::test {

// The answers the scanner may be checked against. `unclear` when the document is valid JSON that
// the scanner must not accept.
struct RpcReference {
  bool unclear = false;
  bool batch = false;
  uint64_t messages_total = 0;
  std::vector<proxy::mcp::RpcMessage> messages;
  // Per message: the id as a value, when it is a string or a number.
  std::vector<std::optional<simdjson::dom::element>> ids;
  std::vector<std::optional<simdjson::dom::element>> request_ids;
  std::string a_name;  // one of the names that are compared, whole
};

class RpcReferenceReader {
 public:
  // What names are compared with.
  void expect(std::string name) { expected_ = std::move(name); }

  // nullopt: not valid JSON, so that nothing is known about what the scanner must say. The answer
  // refers to this reader's tree until the next call.
  std::optional<RpcReference> read(std::string_view document) {
    simdjson::dom::element root;
    if (parser_.parse(document.data(), document.size()).get(root) != simdjson::SUCCESS)
      return std::nullopt;
    reference_ = {};
    simdjson::dom::array batch;
    simdjson::dom::object message;
    if (root.get(message) == simdjson::SUCCESS) {
      read_message(message);
    } else if (root.get(batch) == simdjson::SUCCESS && batch.begin() != batch.end()) {
      reference_.batch = true;
      for (const simdjson::dom::element element : batch) {
        if (element.get(message) == simdjson::SUCCESS) {
          read_message(message);
        } else {
          reference_.unclear = true;
        }
      }
    } else {
      reference_.unclear = true;
    }
    if (depth_of(root) > proxy::mcp::RpcScanner::kDepthMax) reference_.unclear = true;
    return reference_;
  }

 private:
  using Element = simdjson::dom::element;
  using Object = simdjson::dom::object;

  static size_t depth_of(Element element) {
    size_t deepest = 0;
    simdjson::dom::array array;
    Object object;
    if (element.get(array) == simdjson::SUCCESS) {
      for (const Element child : array) deepest = std::max(deepest, depth_of(child));
      return deepest + 1;
    }
    if (element.get(object) == simdjson::SUCCESS) {
      for (const auto field : object) deepest = std::max(deepest, depth_of(field.value));
      return deepest + 1;
    }
    return 0;
  }

  // The one member of that name; a second one makes the document unclear.
  std::optional<Element> find(Object object, std::string_view name) {
    std::optional<Element> found;
    for (const auto field : object) {
      if (field.key != name) continue;
      if (found) reference_.unclear = true;
      found = field.value;
    }
    return found;
  }

  std::optional<Object> find_object(Object object, std::string_view name) {
    const std::optional<Element> element = find(object, name);
    Object found;
    if (!element || element->get(found) != simdjson::SUCCESS) return std::nullopt;
    return found;
  }

  // The text of a string member, cut as captures are.
  void copy_text(Object object, std::string_view name, std::string &out) {
    const std::optional<Element> element = find(object, name);
    std::string_view text;
    if (!element || element->get(text) != simdjson::SUCCESS) return;
    size_t bytes = std::min(text.size(), proxy::mcp::kRpcCaptureBytesMax);
    while (bytes < text.size() && bytes > 0 &&
           (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80)
      --bytes;
    out = text.substr(0, bytes);
  }

  void compare(Object object, std::string_view name, proxy::mcp::Match &out) {
    const std::optional<Element> element = find(object, name);
    std::string_view text;
    if (!element || element->get(text) != simdjson::SUCCESS) return;
    out = text == expected_ ? proxy::mcp::Match::same : proxy::mcp::Match::other;
    if (text.size() > reference_.a_name.size()) reference_.a_name = text;
  }

  static bool is_string_or_number(Element element) {
    return element.is_string() || element.is_number();
  }

  void read_message(Object object) {
    ++reference_.messages_total;
    if (reference_.messages.size() == proxy::mcp::kRpcBatchMessagesMax) return;
    proxy::mcp::RpcMessage message;
    message.complete = true;
    if (const auto method = find(object, "method"); method && method->is_string()) {
      const std::string_view text = *method;
      message.has_method = true;
      message.method_long = text.size() > proxy::mcp::kRpcMethodBytesMax;
      if (!message.method_long) message.method = text;
    }
    const auto id = find(object, "id");
    message.has_id = id && !id->is_null();
    reference_.ids.push_back(id);
    message.has_result = find(object, "result").has_value();
    message.has_error = find(object, "error").has_value();
    std::optional<Element> request_id;
    if (const auto params = find_object(object, "params")) {
      request_id = find(*params, "requestId");
      copy_text(*params, "uri", message.resource_uri);
      copy_text(*params, "name", message.tool_name);
      compare(*params, "name", message.name_match);
      compare(*params, "uri", message.uri_match);
      compare(*params, "taskId", message.task_match);
      if (const auto client = find_object(*params, "clientInfo")) {
        copy_text(*client, "name", message.client_name);
        copy_text(*client, "version", message.client_version);
      }
      if (const auto meta = find_object(*params, "_meta")) {
        copy_text(*meta, "io.modelcontextprotocol/protocolVersion", message.protocol_version);
      }
    }
    reference_.request_ids.push_back(request_id);
    reference_.messages.push_back(message);
  }

  simdjson::dom::parser parser_;
  RpcReference reference_;
  std::string expected_;
};

// True when the raw token `raw` says what simdjson read. A long token may have been given up for
// `instead`; no escape is longer than six bytes per byte it stands for.
inline bool token_agrees(const std::string &raw, const std::optional<simdjson::dom::element> &value,
                         std::string_view instead, size_t document_bytes) {
  if (!value) return raw.empty();
  if (!value->is_string() && !value->is_number())
    return raw == (value->is_null() ? "null" : instead);
  if (raw == instead) return document_bytes > proxy::mcp::kRpcIdBytesMax;
  simdjson::dom::parser parser;
  simdjson::dom::element read;
  if (parser.parse(raw).get(read) != simdjson::SUCCESS) return false;
  return simdjson::minify(read) == simdjson::minify(*value);
}

// Empty when the scanner said of the document what the reference says; else what differs.
inline std::string disagreement(const proxy::mcp::RpcScanner &scanner,
                                const RpcReference &reference, size_t document_bytes) {
  using State = proxy::mcp::RpcScanner::State;
  if (reference.unclear) return scanner.state() == State::unclear ? "" : "must be unclear";
  if (scanner.state() != State::done) return "must be done";
  if (scanner.batch() != reference.batch) return "batch";
  if (scanner.messages_total() != reference.messages_total) return "messages_total";
  if (scanner.size() != reference.messages.size()) return "size";
  for (size_t i = 0; i < scanner.size(); ++i) {
    const proxy::mcp::RpcMessage &is = scanner.begin()[i];
    const proxy::mcp::RpcMessage &must = reference.messages[i];
    if (is.method != must.method || is.method_long != must.method_long) return "method";
    if (is.has_method != must.has_method || is.has_id != must.has_id) return "has_method, has_id";
    if (is.has_result != must.has_result || is.has_error != must.has_error)
      return "has_result, has_error";
    if (is.client_name != must.client_name || is.client_version != must.client_version)
      return "clientInfo";
    if (is.protocol_version != must.protocol_version) return "protocolVersion";
    if (is.resource_uri != must.resource_uri || is.tool_name != must.tool_name) return "uri, name";
    if (is.name_match != must.name_match || is.uri_match != must.uri_match ||
        is.task_match != must.task_match)
      return "what was expected";
    if (!is.complete) return "complete";
    if (!token_agrees(is.id, reference.ids[i], "null", document_bytes)) return "id: " + is.id;
    if (!token_agrees(is.request_id, reference.request_ids[i], "", document_bytes))
      return "requestId: " + is.request_id;
  }
  return "";
}

}  // namespace holdfast::test
