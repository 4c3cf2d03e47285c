#include "common/json.h"

#include <new>

#include "common/limits.h"
#include "common/utf8.h"

namespace holdfast {
namespace {

// jansson recurses per level, up to 2048; this loop refuses depth before it is asked.
bool within_depth(std::string_view text) noexcept {
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kJsonDepthMax) return false;
    } else if (c == '}' || c == ']') {
      if (depth > 0) --depth;
    }
  }
  return true;
}

// For what jansson allocates.
struct MallocFree {
  void operator()(char *p) const noexcept { free(p); }  // NOLINT(*-no-malloc,*-owning-memory)
};

std::string dump(const json_t *value, size_t flags) {
  const std::unique_ptr<char, MallocFree> text(json_dumps(value, flags | JSON_ENCODE_ANY));
  if (!text) throw std::bad_alloc();
  return text.get();
}

JsonPtr checked(json_t *value) {
  if (value == nullptr) throw std::bad_alloc();
  return JsonPtr(value);
}

}  // namespace

Result<JsonPtr> json_parse(std::string_view text) {
  if (!within_depth(text)) {
    return Error{Errc::protocol, 0,
                 "JSON is nested deeper than " + std::to_string(kJsonDepthMax) + " levels"};
  }
  json_error_t fault;
  constexpr size_t kFlags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
  JsonPtr value(json_loadb(text.data(), text.size(), kFlags, &fault));
  if (value) return value;
  return Error{Errc::protocol, 0,
               std::string("not JSON: ") + utf8_repaired(fault.text) + " at byte " +
                   std::to_string(fault.position)};
}

std::string json_dump(const json_t *value) { return dump(value, JSON_COMPACT); }
std::string json_dump_sorted(const json_t *value) {
  return dump(value, JSON_COMPACT | JSON_SORT_KEYS);
}
std::string json_dump_pretty(const json_t *value) { return dump(value, JSON_INDENT(2)); }

JsonPtr json_text(std::string_view text) {
  json_t *value = json_stringn(text.data(), text.size());
  if (value != nullptr) return JsonPtr(value);
  const std::string repaired = utf8_repaired(text);
  return checked(json_stringn(repaired.data(), repaired.size()));
}

std::optional<std::string> json_get_text(const json_t *object, const char *name) {
  const json_t *value = json_object_get(object, name);
  if (!json_is_string(value)) return std::nullopt;
  return std::string(json_string_value(value), json_string_length(value));
}

std::optional<int64_t> json_get_int(const json_t *object, const char *name) {
  const json_t *value = json_object_get(object, name);
  if (!json_is_integer(value)) return std::nullopt;
  return json_integer_value(value);
}

std::optional<bool> json_get_bool(const json_t *object, const char *name) {
  const json_t *value = json_object_get(object, name);
  if (!json_is_boolean(value)) return std::nullopt;
  return json_is_true(value);
}

void json_put(json_t *object, const char *name, JsonPtr value) {
  if (json_object_set_new(object, name, value.release()) != 0) throw std::bad_alloc();
}

void json_put(json_t *object, const char *name, std::string_view text) {
  json_put(object, name, json_text(text));
}

void json_put(json_t *object, const char *name, int64_t number) {
  json_put(object, name, checked(json_integer(number)));
}

void json_put(json_t *object, const char *name, bool value) {
  json_put(object, name, checked(json_boolean(value)));
}

void json_put(json_t *object, const char *name, const char *text) {
  json_put(object, name, std::string_view(text));
}

}  // namespace holdfast
