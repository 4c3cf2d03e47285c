#include "tests/demo/wire.h"

#include <cstdlib>
#include <memory>

namespace holdfast::demo {

JsonPtr parse_json(std::string_view text) {
  return JsonPtr(json_loadb(text.data(), text.size(), JSON_DECODE_ANY, nullptr));
}

std::string dump_json(const json_t *value) {
  const std::unique_ptr<char, CDeleter<std::free>> text(
      json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY));
  return text ? text.get() : "null";
}

JsonPtr share(const json_t *value) {
  // jansson's count is not part of the value: sharing a const value does not change it.
  return JsonPtr(value != nullptr ? json_incref(const_cast<json_t *>(value)) : json_null());
}

JsonPtr text_json(std::string_view text) {
  json_t *value = json_stringn(text.data(), text.size());
  return JsonPtr(value != nullptr ? value : json_string("(not UTF-8)"));
}

std::string_view text_member(const json_t *object, const char *name) {
  const json_t *value = json_object_get(object, name);
  if (!json_is_string(value)) return {};
  return {json_string_value(value), json_string_length(value)};
}

int64_t int_member(const json_t *object, const char *name, int64_t fallback) {
  const json_t *value = json_object_get(object, name);
  return json_is_integer(value) ? json_integer_value(value) : fallback;
}

JsonPtr rpc_result(const json_t *id, JsonPtr result) {
  return JsonPtr(json_pack("{s:o, s:s, s:o}", "result", result.release(), "jsonrpc", "2.0", "id",
                           share(id).release()));
}

JsonPtr rpc_error(const json_t *id, int code, std::string_view message, JsonPtr data) {
  JsonPtr error(json_pack("{s:i, s:o}", "code", code, "message", text_json(message).release()));
  if (data) json_object_set_new(error.get(), "data", data.release());
  return JsonPtr(json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "error", error.release(), "id",
                           share(id).release()));
}

JsonPtr rpc_notification(const char *method, JsonPtr params) {
  return JsonPtr(
      json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params.release()));
}

std::string message_event(std::string_view event_id, const json_t *message) {
  std::string text = "event: message\n";
  if (!event_id.empty()) text.append("id: ").append(event_id).append("\n");
  return text.append("data: ").append(dump_json(message)).append("\n\n");
}

std::string priming_event(std::string_view event_id) {
  return std::string("id: ").append(event_id).append("\ndata: \n\n");
}

}  // namespace holdfast::demo
