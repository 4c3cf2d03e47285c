// MCP clients of the three eras, small enough to see every byte they send. Each request uses a
// connection of its own unless a test brings one: sessions must not hang on connections. One thread
// at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tests/support/json_view.h"
#include "tests/support/sse_client.h"

namespace holdfast::test {

// JSON-RPC messages as text. `id` and `params` are JSON.
std::string rpc(std::string_view method, std::string_view id = {}, std::string_view params = {});
std::string tool_call(std::string_view id, std::string_view tool, std::string_view arguments = "{}",
                      std::string_view meta = {});

// A POST with the headers an MCP client sends.
Request mcp_post(std::string_view target, std::string body, Headers more = {});

// The message with this id (JSON) in an answer, whether JSON or event stream; fails the test when
// it is not there.
Json answer_in(const Response &response, std::string_view id);
// The text of a tools/call result.
std::string tool_text(const Json &message);

// Checks a refusal in JSON-RPC form: status, error code and the id (JSON) it carries.
void check_refusal(const Response &response, int status, int code, std::string_view id);

// Streamable HTTP, 2025-11-25.
class StreamableClient {
 public:
  explicit StreamableClient(uint16_t port, std::string path = "/mcp", Headers headers = {})
      : port_(port), path_(std::move(path)), headers_(std::move(headers)) {}

  // initialize alone; keeps the session id of a 2xx. A held id is sent along, as lost clients do.
  Response initialize(std::string_view id = "0");
  // initialize and notifications/initialized, both accepted; fails the test otherwise.
  void open();

  Response post(std::string_view body, Millis timeout = kSoon) const;
  // tools/call and its answer's message.
  Json call(std::string_view tool, std::string_view arguments = "{}", std::string_view id = "1",
            Millis timeout = kSoon) const;
  // A POST whose answer is read event by event.
  SseClient stream_post(std::string_view body) const;
  // The GET stream.
  SseClient get(std::string_view last_event_id = {}) const;
  Response remove() const;  // DELETE

  const std::string &session() const { return session_; }
  void set_session(std::string session) { session_ = std::move(session); }
  Headers headers() const;  // what every request after initialize carries
  const std::string &path() const { return path_; }

 private:
  uint16_t port_;
  std::string path_;
  Headers headers_;
  std::string session_;
};

// HTTP+SSE, 2024-11-05.
class LegacyClient {
 public:
  // Opens the stream and waits for the endpoint event.
  explicit LegacyClient(uint16_t port, const std::string &path = "/sse", Headers headers = {});

  const std::string &endpoint() const { return endpoint_; }
  std::string session() const;  // the id in the endpoint
  // initialize and notifications/initialized; fails the test when refused.
  void open();
  Response post(std::string_view body, Millis timeout = kSoon) const;
  Json receive(Millis timeout = kSoon);  // the next message of the stream
  Json call(std::string_view tool, std::string_view arguments = "{}", std::string_view id = "1");
  SseClient &stream() { return stream_; }

 private:
  uint16_t port_;
  Headers headers_;
  SseClient stream_;
  std::string endpoint_;
};

// Sessionless, 2026-07-28: a complete request for one method. `params` is a JSON object; the
// protocol's _meta member is added to it.
Request modern_request(std::string_view method, std::string_view id, std::string_view params = "{}",
                       std::string_view target = "/mcp", Headers more = {});

}  // namespace holdfast::test
