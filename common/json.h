// jansson behind owning types and typed getters; the only header besides the message files that
// shows it. Control plane only: request bodies never come here. Pure; any thread, one object at a
// time.
#pragma once

#include <jansson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/ev_ptr.h"
#include "common/result.h"

namespace holdfast {

struct JsonDecref {
  void operator()(json_t *value) const noexcept { json_decref(value); }
};
using JsonPtr = std::unique_ptr<json_t, JsonDecref>;

// Parses one document of at most kJsonDepthMax levels, refusing duplicate members and trailing
// bytes. Errc::protocol with position.
Result<JsonPtr> json_parse(std::string_view text);
// Compact, one line, UTF-8. Bytes of our strings that are not UTF-8 were replaced when they were
// put in.
std::string json_dump(const json_t *value);
std::string json_dump_sorted(const json_t *value);  // members by name: equal values, equal texts
std::string json_dump_pretty(const json_t *value);  // for people: indented, several lines

// A JSON string; bytes that are not valid UTF-8 become U+FFFD, so that nothing a peer sent can
// break a line.
JsonPtr json_text(std::string_view text);

// Members of an object; nullopt when absent or of another type.
std::optional<std::string> json_get_text(const json_t *object, const char *name);
std::optional<int64_t> json_get_int(const json_t *object, const char *name);
std::optional<bool> json_get_bool(const json_t *object, const char *name);

// Sets a member, taking the value. Out of memory terminates, as everywhere.
void json_put(json_t *object, const char *name, JsonPtr value);
void json_put(json_t *object, const char *name, std::string_view text);
void json_put(json_t *object, const char *name, int64_t number);
void json_put(json_t *object, const char *name, bool value);
void json_put(json_t *object, const char *name, const char *text);

}  // namespace holdfast
