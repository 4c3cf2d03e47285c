// The few things the demo backend needs of libevent's evhttp, with C++ types. A request is
// evhttp's: whoever answers it (send_*) must not touch it afterwards. Loop thread only; never
// blocks.
#pragma once

#include <event2/http.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/ev_ptr.h"
#include "tests/demo/wire.h"

namespace holdfast::demo {

using EvhttpPtr = std::unique_ptr<evhttp, CDeleter<evhttp_free>>;

// What a request asks for: "/team/message/abc?x=y" is prefix "/team", name "message", rest "abc".
struct Target {
  std::string prefix;  // without trailing slash
  std::string name;    // mcp, sse, message, _demo
  std::string rest;    // what follows the name, without slashes at the ends
  std::string query;   // without "?"
};

// nullopt when no segment of the path is one of our names.
std::optional<Target> parse_target(std::string_view uri);

// The value of a query parameter, empty when absent. No percent-decoding: our ids need none.
std::string query_value(std::string_view query, std::string_view name);

// A request header by name, in any case; nullopt when absent.
std::optional<std::string> header(evhttp_request *req, const char *name);

// The body, copied out.
std::string body_of(evhttp_request *req);

// Each answers the request and ends the caller's use of it.
void send_json(evhttp_request *req, int status, const json_t *body);
void send_text(evhttp_request *req, int status, std::string_view body);
void send_empty(evhttp_request *req, int status);

// A JSON-RPC error as the whole answer; `id` is borrowed, nullptr gives null.
void send_rpc_error(evhttp_request *req, int status, int code, std::string_view message,
                    const json_t *id = nullptr, JsonPtr data = nullptr);

// 405 with Allow, in the words the official servers use.
void send_not_allowed(evhttp_request *req, const char *allow);

// Adds a response header.
void add_header(evhttp_request *req, const char *name, std::string_view value);

}  // namespace holdfast::demo
