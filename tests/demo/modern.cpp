#include "tests/demo/modern.h"

#include <utility>

#include "common/base64.h"

namespace holdfast::demo {
namespace {

constexpr std::string_view kOldestModern = "2026-01-01";  // versions are dates and compare as text

std::string_view version_in_body(const json_t *message) {
  const json_t *params = json_object_get(message, "params");
  return text_member(json_object_get(params, "_meta"), kMetaVersion);
}

// What Mcp-Name must repeat; empty for methods that have no name.
std::string_view name_in_body(const json_t *message) {
  const std::string_view method = text_member(message, "method");
  const json_t *params = json_object_get(message, "params");
  if (method == "tools/call" || method == "prompts/get") return text_member(params, "name");
  if (method == "resources/read") return text_member(params, "uri");
  return {};
}

// What a value of Mcp-Name means: "=?base64?…?=" is decoded.
std::string meant(const std::string &value) {
  constexpr std::string_view kBegin = "=?base64?";
  constexpr std::string_view kEnd = "?=";
  if (value.size() < kBegin.size() + kEnd.size() || !value.starts_with(kBegin) ||
      !value.ends_with(kEnd))
    return value;
  const std::string_view inner =
      std::string_view(value).substr(kBegin.size(), value.size() - kBegin.size() - kEnd.size());
  return base64_decode(inner, Base64::standard).value_or(value);
}

bool send_mismatch(evhttp_request *req, const json_t *id, std::string_view header_value,
                   std::string_view body_value) {
  send_rpc_error(
      req, 400, kErrorHeaderMismatch, "Bad Request: the request headers and body disagree", id,
      JsonPtr(json_pack("{s:{s:o, s:o}}", "mismatch", "header", text_json(header_value).release(),
                        "body", text_json(body_value).release())));
  return false;
}

}  // namespace

bool Modern::claims(evhttp_request *req, const json_t *message) {
  const auto version = header(req, "MCP-Protocol-Version");
  return (version && *version >= kOldestModern) || version_in_body(message) >= kOldestModern;
}

bool Modern::check_headers(evhttp_request *req, const json_t *message) {
  const json_t *id = json_object_get(message, "id");
  const std::string version = header(req, "MCP-Protocol-Version").value_or("(missing)");
  // A notification need not carry _meta, nor Mcp-Method.
  const bool request = is_request(message);
  const std::string_view body_version = version_in_body(message);
  if ((request || !body_version.empty()) && version != body_version) {
    return send_mismatch(req, id, version, body_version);
  }
  if (version != kModernVersion) {
    send_rpc_error(
        req, 400, kErrorVersion, "Unsupported protocol version: " + version, id,
        JsonPtr(json_pack("{s:[o], s:o}", "supported", text_json(kModernVersion).release(),
                          "requested", text_json(version).release())));
    return false;
  }
  const auto method = header(req, "Mcp-Method");
  const std::string_view body_method = text_member(message, "method");
  if ((request || method) && method != body_method) {
    return send_mismatch(req, id, method.value_or("(missing)"), body_method);
  }
  const std::string_view name = name_in_body(message);
  const std::string header_name = header(req, "Mcp-Name").value_or("(missing)");
  if (request && !name.empty() && meant(header_name) != name) {
    return send_mismatch(req, id, header_name, name);
  }
  return true;
}

void Modern::on_post(evhttp_request *req, const json_t *message) {
  if (!check_headers(req, message)) return;
  if (!is_request(message)) {
    rpc_.on_other({}, message);
    return send_empty(req, 202);
  }
  const json_t *id = json_object_get(message, "id");
  const json_t *params = json_object_get(message, "params");
  const std::string_view method = text_member(message, "method");
  if (method == "subscriptions/listen") return listen(req, id, params);
  if (!Rpc::knows(method, true)) {
    return send_rpc_error(req, 404, kErrorMethod, "Method not found", id);
  }
  AnswerPlan plan;
  plan.modern = true;
  const ExchangeId exchange = exchanges_.open_json(req, std::move(plan));
  rpc_.on_request(method, Call{exchange, true, {}, share(id), share(params)});
}

void Modern::listen(evhttp_request *req, const json_t *id, const json_t *params) {
  const StreamId stream = streams_.open(req, StreamKind::listen, {});
  notices_.add_listener(stream, id, params);
}

}  // namespace holdfast::demo
