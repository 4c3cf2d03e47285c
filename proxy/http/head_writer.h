// Writes every head that leaves the proxy: forwarded requests and answers are re-serialised from
// their parsed parts, with one framing field and one Host, hop-by-hop fields removed (RFC 9110 7.6,
// 9112 6). Raw head bytes are never copied through. Appends to the caller's buffer, which is reused
// and so does not allocate in steady state. Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "proxy/http/message.h"

namespace holdfast::proxy::http {

// A field of our own: from configuration (proxy_set_header) or made by the exchange. REQUIRES: a
// token as name, no control bytes in the value; both were checked where they were read or made.
// Framing fields, connection-bound fields and Mcp-Session-Id are not written from here; they belong
// to the writer.
struct ExtraField {
  std::string_view name;
  std::string_view value;  // empty: the field is removed (nginx's meaning)
};

enum class SessionIdRule : uint8_t {
  keep,    // forward the Mcp-Session-Id field as it came, if it came
  drop,    // remove it
  replace  // remove it and write `session_id` instead
};

// Defaulted throughout, so that designated initialisers may name just what matters.
struct RequestForwarding {
  std::string_view target = {};  // origin-form; normally RequestHead::target
  std::string_view host = {};    // written as the one Host
  Framing framing = {};          // what the body will be sent with: none, length or chunked
  SessionIdRule session_rule = SessionIdRule::keep;
  std::string_view session_id = {};
  bool drop_last_event_id = false;
  bool identity_encoding = false;  // Accept-Encoding: identity (the answer may be an event stream)
  bool trusted_peer = false;       // the client's X-Forwarded-* are believed and extended
  std::string_view client_address = {};  // for X-Forwarded-For and X-Real-IP, without port
  std::string_view scheme = {};          // "http" or "https": X-Forwarded-Proto
  std::string_view via = {};             // pseudonym; empty: no Via is added
  std::span<const ExtraField> set = {};  // override fields of the same name; a Host here wins too
  bool leave_open = false;  // neither framing nor the blank line: the caller ends the head itself
};
void write_request_head(std::string &out, const RequestHead &head, const RequestForwarding &how);

struct ResponseForwarding {
  Framing framing = {};    // none, length, chunked or until_close towards the client
  bool keep_alive = true;  // false: "Connection: close"
  bool http10 = false;     // the client spoke HTTP/1.0 ("Connection: keep-alive" is never offered)
  bool event_stream = false;  // sets X-Accel-Buffering: no, and no-transform in Cache-Control
  SessionIdRule session_rule = SessionIdRule::keep;
  std::string_view session_id = {};
  std::string_view date = {};  // for an answer that has no Date (9110 6.6.1); empty: none is added
  std::span<const ExtraField> set = {};
};
// With head.has_declared_length (HEAD, 304) the backend's Content-Length is written instead of
// framing.
void write_response_head(std::string &out, const ResponseHead &head, const ResponseForwarding &how);

// A complete answer of our own, body included. `status` is one of those in reason_phrase().
struct OwnResponse {
  int status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  std::string_view body = {};
  bool head_only = false;  // answer to HEAD: the length is declared, the body left out
  bool keep_alive = true;
  std::string_view date = {};               // empty: no Date
  std::span<const ExtraField> fields = {};  // Retry-After, Allow, …
};
void write_own_response(std::string &out, const OwnResponse &response);

// "Not Found" for 404; "" for a code we never send ourselves.
std::string_view reason_phrase(int status) noexcept;

// True when a received Via value says the message already passed through `pseudonym`: a loop (508).
// Compared without case; comments are skipped. Ask once per Via field.
bool via_names(std::string_view via_value, std::string_view pseudonym) noexcept;

// True when naming this field in Connection removes it (9110 7.6.1): framing, routing, identity and
// Mcp-* fields cannot be removed that way.
bool connection_may_remove(FieldId id) noexcept;

}  // namespace holdfast::proxy::http
