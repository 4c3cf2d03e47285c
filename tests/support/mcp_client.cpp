#include "tests/support/mcp_client.h"

#include <utility>

#include "tests/support/hf_test.h"

namespace holdfast::test {
namespace {

constexpr std::string_view kInitializeParams =
    R"({"protocolVersion":"2025-11-25","capabilities":{"sampling":{},"elicitation":{}},)"
    R"("clientInfo":{"name":"hf-test","version":"1.0.0"}})";
constexpr std::string_view kModernMeta =
    R"({"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"hf-test","version":"1.0.0"},)"
    R"("io.modelcontextprotocol/clientCapabilities":{}})";

Headers joined(Headers first, const Headers &second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

std::string rpc(std::string_view method, std::string_view id, std::string_view params) {
  std::string text = R"({"jsonrpc":"2.0","method":")" + std::string(method) + "\"";
  if (!params.empty()) text.append(",\"params\":").append(params);
  if (!id.empty()) text.append(",\"id\":").append(id);
  return text + "}";
}

std::string tool_call(std::string_view id, std::string_view tool, std::string_view arguments,
                      std::string_view meta) {
  std::string params = R"({"name":")" + std::string(tool) + R"(","arguments":)";
  params.append(arguments);
  if (!meta.empty()) params.append(",\"_meta\":").append(meta);
  return rpc("tools/call", id, params + "}");
}

Request mcp_post(std::string_view target, std::string body, Headers more) {
  return {"POST", std::string(target),
          joined({{"Content-Type", "application/json"},
                  {"Accept", "application/json, text/event-stream"}},
                 more),
          std::move(body)};
}

Json answer_in(const Response &response, std::string_view id) {
  const Json wanted{id};
  if (!response.header("Content-Type").value_or("").starts_with("text/event-stream")) {
    const Json body{response.body};
    if (body["id"] == wanted) return body;
    for (size_t i = 0; i < body.size(); ++i) {
      if (body[i]["id"] == wanted) return body[i];
    }
    HF_FAIL("no answer " + std::string(id) + " in " + response.body.substr(0, 500));
  }
  std::string_view rest = response.body;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (!line.starts_with("data: {")) continue;
    const Json message{line.substr(6)};
    if (message["id"] == wanted && !message["method"].present()) return message;
  }
  HF_FAIL("no answer " + std::string(id) + " in " + response.body.substr(0, 500));
}

std::string tool_text(const Json &message) {
  return message["result"]["content"][size_t{0}]["text"].text();
}

void check_refusal(const Response &response, int status, int code, std::string_view id) {
  if (response.status != status) {
    HF_FAIL("status " + std::to_string(response.status) + ", not " + std::to_string(status) + ": " +
            response.body.substr(0, 500));
  }
  const Json body{response.body};
  HF_EQ(body["jsonrpc"].text(), "2.0");
  HF_EQ(body["error"]["code"].integer(), code);
  HF_CHECK(!body["error"]["message"].text().empty());
  HF_EQ(body["id"].dump(), Json{id}.dump());
  HF_CHECK(response.end == BodyEnd::framed);
}

Headers StreamableClient::headers() const {
  Headers all = headers_;
  if (!session_.empty()) {
    all.emplace_back("Mcp-Session-Id", session_);
    all.emplace_back("MCP-Protocol-Version", "2025-11-25");
  }
  return all;
}

Response StreamableClient::initialize(std::string_view id) {
  Response response =
      fetch(port_, mcp_post(path_, rpc("initialize", id, kInitializeParams), headers()));
  if (response.status / 100 == 2) session_ = response.header("Mcp-Session-Id").value_or("");
  return response;
}

void StreamableClient::open() {
  const Response response = initialize();
  if (response.status != 200) {
    HF_FAIL("initialize: " + std::to_string(response.status) + " " + response.body.substr(0, 500));
  }
  HF_CHECK(answer_in(response, "0")["result"].present());
  HF_EQ(post(rpc("notifications/initialized")).status, 202);
}

Response StreamableClient::post(std::string_view body, Millis timeout) const {
  return fetch(port_, mcp_post(path_, std::string(body), headers()), timeout);
}

Json StreamableClient::call(std::string_view tool, std::string_view arguments, std::string_view id,
                            Millis timeout) const {
  const Response response = post(tool_call(id, tool, arguments), timeout);
  if (response.status != 200) {
    HF_FAIL("tools/call: " + std::to_string(response.status) + " " + response.body.substr(0, 500));
  }
  return answer_in(response, id);
}

SseClient StreamableClient::stream_post(std::string_view body) const {
  return SseClient(port_, mcp_post(path_, std::string(body), headers()));
}

SseClient StreamableClient::get(std::string_view last_event_id) const {
  Headers all = joined({{"Accept", "text/event-stream"}}, headers());
  if (!last_event_id.empty()) all.emplace_back("Last-Event-ID", last_event_id);
  return SseClient(port_, {"GET", path_, all, {}});
}

Response StreamableClient::remove() const {
  return fetch(port_, {"DELETE", path_, joined({{"Accept", "*/*"}}, headers()), {}});
}

LegacyClient::LegacyClient(uint16_t port, const std::string &path, Headers headers)
    : port_(port),
      headers_(std::move(headers)),
      stream_(port, {"GET", path, joined({{"Accept", "text/event-stream"}}, headers_), {}}) {
  if (!stream_.streaming()) {
    HF_FAIL("the legacy GET was answered " + std::to_string(stream_.head().status));
  }
  const Event event = stream_.next();
  HF_EQ(event.name, "endpoint");
  endpoint_ = event.data;
}

std::string LegacyClient::session() const {
  const size_t at = endpoint_.find("sessionId=");
  return at == std::string::npos ? "" : endpoint_.substr(at + 10);
}

void LegacyClient::open() {
  HF_EQ(post(rpc("initialize", "0", kInitializeParams)).status, 202);
  const Json answer = receive();
  HF_EQ(answer["id"].dump(), "0");
  HF_CHECK(answer["result"].present());
  HF_EQ(post(rpc("notifications/initialized")).status, 202);
}

Response LegacyClient::post(std::string_view body, Millis timeout) const {
  return fetch(port_,
               {"POST", endpoint_,
                joined({{"Content-Type", "application/json"}, {"Accept", "*/*"}}, headers_),
                std::string(body)},
               timeout);
}

Json LegacyClient::receive(Millis timeout) {
  const Event event = stream_.next(timeout);
  HF_EQ(event.name, "message");
  return Json{event.data};
}

Json LegacyClient::call(std::string_view tool, std::string_view arguments, std::string_view id) {
  HF_EQ(post(tool_call(id, tool, arguments)).status, 202);
  const Json wanted{id};
  for (;;) {
    Json message = receive();
    if (message["id"] == wanted) return message;
  }
}

Request modern_request(std::string_view method, std::string_view id, std::string_view params,
                       std::string_view target, Headers more) {
  const JsonPtr with_meta(json_loadb(params.data(), params.size(), 0, nullptr));
  HF_CHECK(json_is_object(with_meta.get()));
  const JsonPtr meta(json_loadb(kModernMeta.data(), kModernMeta.size(), 0, nullptr));
  if (json_object_get(with_meta.get(), "_meta") == nullptr) {
    json_object_set(with_meta.get(), "_meta", meta.get());
  } else {
    json_object_update(json_object_get(with_meta.get(), "_meta"), meta.get());
  }
  const Json complete{JsonPtr(json_incref(with_meta.get()))};
  Headers headers = {{"MCP-Protocol-Version", "2026-07-28"}, {"Mcp-Method", std::string(method)}};
  if (method == "tools/call") headers.emplace_back("Mcp-Name", complete["name"].text());
  if (method == "resources/read") headers.emplace_back("Mcp-Name", complete["uri"].text());
  return mcp_post(target, rpc(method, id, complete.dump()), joined(std::move(headers), more));
}

}  // namespace holdfast::test
