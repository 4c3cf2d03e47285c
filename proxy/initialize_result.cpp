#include "proxy/initialize_result.h"

#include <algorithm>
#include <string>

#include "common/ids.h"
#include "common/json.h"

namespace holdfast::proxy {
namespace {

constexpr int64_t kMethodNotFound = -32601;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool speaks_of_session(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), lower);
  return text.find("session") != text.npos || text.find("initializ") != text.npos;
}

bool is_about(const json_t *answer, std::string_view raw_id) {
  const json_t *const id = json_object_get(answer, "id");
  return id != nullptr && !json_is_null(id) && json_dump(id) == raw_id;
}

}  // namespace

std::optional<uint64_t> initialize_fingerprint(std::string_view answer) {
  const Result<JsonPtr> parsed = json_parse(answer);
  if (!parsed) return std::nullopt;
  json_t *const result = json_object_get(parsed->get(), "result");
  if (!json_is_object(result)) return std::nullopt;
  const JsonPtr promises(json_object());
  for (const char *name : {"protocolVersion", "capabilities", "serverInfo"}) {
    json_t *const value = json_object_get(result, name);
    if (value != nullptr) json_put(promises.get(), name, JsonPtr(json_incref(value)));
  }
  return keyed_hash(json_dump_sorted(promises.get()));
}

bool means_session_lost(int status, std::string_view body, std::string_view raw_id) {
  if (status != 404 && status != 400) return false;
  const Result<JsonPtr> parsed = json_parse(body);
  const json_t *const error = parsed ? json_object_get(parsed->get(), "error") : nullptr;
  const std::optional<int64_t> code = json_get_int(error, "code");
  if (status == 404) return code != kMethodNotFound;
  return code && !is_about(parsed->get(), raw_id) &&
         speaks_of_session(json_get_text(error, "message").value_or(""));
}

std::optional<bool> is_result(std::string_view message) {
  const Result<JsonPtr> parsed = json_parse(message);
  if (!parsed || json_object_get(parsed->get(), "method") != nullptr) return std::nullopt;
  if (json_object_get(parsed->get(), "result") != nullptr) return true;
  if (json_object_get(parsed->get(), "error") != nullptr) return false;
  return std::nullopt;
}

}  // namespace holdfast::proxy
