#include "tests/demo/http_io.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>

#include <algorithm>
#include <array>

namespace holdfast::demo {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"mcp", "sse", "message", "_demo"};

void send_body(evhttp_request *req, int status, const char *type, std::string_view body) {
  const EvbufferPtr bytes(evbuffer_new());
  evbuffer_add(bytes.get(), body.data(), body.size());
  add_header(req, "Content-Type", type);
  evhttp_send_reply(req, status, nullptr, bytes.get());
}

}  // namespace

std::optional<Target> parse_target(std::string_view uri) {
  Target target;
  const size_t mark = uri.find('?');
  if (mark != std::string_view::npos) target.query = uri.substr(mark + 1);
  const std::string_view path = uri.substr(0, mark);
  size_t begin = 0;
  while (begin < path.size()) {
    const size_t end = std::min(path.find('/', begin + 1), path.size());
    const std::string_view segment = path.substr(begin + 1, end - begin - 1);
    if (std::find(kNames.begin(), kNames.end(), segment) != kNames.end()) {
      target.prefix = path.substr(0, begin);
      target.name = segment;
      if (end < path.size()) target.rest = path.substr(end + 1);
      return target;
    }
    begin = end;
  }
  return std::nullopt;
}

std::string query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
      return std::string(pair.substr(equals + 1));
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return {};
}

std::optional<std::string> header(evhttp_request *req, const char *name) {
  const char *value = evhttp_find_header(evhttp_request_get_input_headers(req), name);
  if (value == nullptr) return std::nullopt;
  return value;
}

std::string body_of(evhttp_request *req) {
  evbuffer *input = evhttp_request_get_input_buffer(req);
  std::string body(evbuffer_get_length(input), '\0');
  evbuffer_copyout(input, body.data(), body.size());
  return body;
}

void send_json(evhttp_request *req, int status, const json_t *body) {
  send_body(req, status, "application/json", dump_json(body));
}

void send_text(evhttp_request *req, int status, std::string_view body) {
  send_body(req, status, "text/plain", body);
}

void send_empty(evhttp_request *req, int status) {
  evhttp_send_reply(req, status, nullptr, nullptr);
}

void send_rpc_error(evhttp_request *req, int status, int code, std::string_view message,
                    const json_t *id, JsonPtr data) {
  send_json(req, status, rpc_error(id, code, message, std::move(data)).get());
}

void send_not_allowed(evhttp_request *req, const char *allow) {
  add_header(req, "Allow", allow);
  send_rpc_error(req, 405, kErrorServer, "Method not allowed.");
}

void add_header(evhttp_request *req, const char *name, std::string_view value) {
  evhttp_add_header(evhttp_request_get_output_headers(req), name, std::string(value).c_str());
}

}  // namespace holdfast::demo
