#include "common/link_messages.h"

#include <algorithm>
#include <type_traits>

#include "common/json.h"
#include "common/json_writer.h"
#include "common/link_tables.h"

namespace holdfast::link {
namespace {

template <class T, class Fn>
void each_row(Fn &&fn) {
  std::apply([&](const auto &...row) { (fn(row), ...); }, kRows<T>);
}

// ---- struct → JSON. Everything is brought within its bound: what is written here is accepted by
// the decoder, whatever bytes a client chose for its name.

template <class T>
void write_members(JsonWriter &w, const T &from);

void write(JsonWriter &w, const std::string &value, const Rule &rule) {
  w.text(value, rule.bytes_max);
}
void write(JsonWriter &w, int64_t value, const Rule &) {
  w.number(std::clamp<int64_t>(value, 0, kLinkNumberMax));
}
void write(JsonWriter &w, bool value, const Rule &) { w.boolean(value); }

template <class E>
requires std::is_enum_v<E>
void write(JsonWriter &w, E value, const Rule &) { w.text(to_word(value)); }

template <class T>
void write(JsonWriter &w, const std::optional<T> &value, const Rule &rule) {
  write(w, value.value_or(T{}), rule);
}

void write(JsonWriter &w, const std::pair<std::string, int64_t> &counter, const Rule &rule) {
  w.key(counter.first);
  write(w, counter.second, rule);
}

void write(JsonWriter &w, const ActivityEntry &entry, const Rule &) {
  w.begin_array();
  each_row<ActivityEntry>([&](const auto &row) { write(w, entry.*row.member, row.rule); });
  w.end_array();
}

template <class T>
requires(std::is_same_v<T, PolicyInfo> ||
         std::is_same_v<T, BackendInfo>) void write(JsonWriter &w, const T &value, const Rule &) {
  w.begin_object();
  write_members(w, value);
  w.end_object();
}

template <class T>
void write(JsonWriter &w, const std::vector<T> &list, const Rule &rule) {
  constexpr bool kIsMap = std::is_same_v<T, std::pair<std::string, int64_t>>;
  kIsMap ? w.begin_object() : w.begin_array();
  const size_t count = std::min(list.size(), rule.count_max);
  for (size_t i = 0; i < count; ++i) write(w, list[i], rule);
  kIsMap ? w.end_object() : w.end_array();
}

template <class T>
bool is_absent(const T &value) {
  if constexpr (std::is_same_v<T, std::string>) return value.empty();
  if constexpr (std::is_same_v<T, bool>) return !value;
  if constexpr (requires { value.has_value(); }) return !value.has_value();
  return false;
}

template <class M, class T>
void write_row(JsonWriter &w, const M &from, const Field<M, T> &row) {
  const T &value = from.*row.member;
  if (row.rule.optional && is_absent(value)) return;
  w.key(row.name);
  write(w, value, row.rule);
}
template <class M, class T>
void write_row(JsonWriter &w, const M &from, const Inlined<M, T> &row) {
  write_members(w, from.*row.member);
}

template <class T>
void write_members(JsonWriter &w, const T &from) {
  each_row<T>([&](const auto &row) { write_row(w, from, row); });
}

template <class Any>
std::string encode_any(const Any &message) {
  std::string out;
  out.reserve(256);  // most messages fit: one allocation
  JsonWriter w(out);
  w.begin_object();
  std::visit(
      [&]<class M>(const M &m) {
        w.key("t").text(kWord<M>);
        write_members(w, m);
      },
      message);
  w.end_object();
  return out;
}

// ---- JSON → struct. Each read returns what is wrong with the value, or nullptr.

using Fault = const char *;
constexpr Fault kFine = nullptr;

template <class T>
Fault read_members(const json_t *from, T &into, std::string &where);

Fault read(const json_t *from, std::string &into, const Rule &rule) {
  if (!json_is_string(from)) return "is not a string";
  const size_t bytes = json_string_length(from);
  if (bytes < rule.bytes_min) return "is empty";
  if (bytes > rule.bytes_max) return "is too long";
  into.assign(json_string_value(from), bytes);
  return kFine;
}

Fault read(const json_t *from, int64_t &into, const Rule &) {
  if (!json_is_integer(from)) return "is not an integer";
  const int64_t value = json_integer_value(from);
  if (value < 0 || value > kLinkNumberMax) return "is out of range";
  into = value;
  return kFine;
}

Fault read(const json_t *from, bool &into, const Rule &) {
  if (!json_is_boolean(from)) return "is not true or false";
  into = json_is_true(from);
  return kFine;
}

template <class E>
requires std::is_enum_v<E> Fault read(const json_t *from, E &into, const Rule &) {
  if (!json_is_string(from)) return "is not a string";
  const auto value = from_word<E>({json_string_value(from), json_string_length(from)});
  if (!value) return "is not one of its words";
  into = *value;
  return kFine;
}

template <class T>
Fault read(const json_t *from, std::optional<T> &into, const Rule &rule) {
  return read(from, into.emplace(), rule);
}

Fault read(const json_t *from, ActivityEntry &into, const Rule &) {
  if (!json_is_array(from)) return "has an entry that is not an array";
  size_t at = 0;
  Fault fault = kFine;
  each_row<ActivityEntry>([&](const auto &row) {
    const json_t *value = json_array_get(from, at++);
    if (fault == kFine) fault = read(value, into.*row.member, row.rule);
  });
  return fault == kFine ? kFine : "has an entry that is not [id, idle_ms, in_flight, requests]";
}

template <class T>
requires(std::is_same_v<T, PolicyInfo> || std::is_same_v<T, BackendInfo>) Fault
    read(const json_t *from, T &into, const Rule &) {
  if (!json_is_object(from)) return "has an entry that is not an object";
  std::string where;
  return read_members(from, into, where) == kFine ? kFine : "has a malformed entry";
}

Fault read(const json_t *from, std::vector<std::pair<std::string, int64_t>> &into,
           const Rule &rule) {
  if (!json_is_object(from)) return "is not an object";
  if (json_object_size(from) > rule.count_max) return "has too many members";
  // jansson's iterators take a mutable object; nothing is changed.
  auto *object = const_cast<json_t *>(from);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  for (void *it = json_object_iter(object); it != nullptr; it = json_object_iter_next(object, it)) {
    int64_t value = 0;
    if (read(json_object_iter_value(it), value, rule) != kFine) return "has a malformed member";
    into.emplace_back(json_object_iter_key(it), value);
  }
  return kFine;
}

template <class T>
Fault read(const json_t *from, std::vector<T> &into, const Rule &rule) {
  if (!json_is_array(from)) return "is not an array";
  const size_t count = json_array_size(from);
  if (count > rule.count_max) return "has too many entries";
  into.resize(count);
  for (size_t i = 0; i < count; ++i) {
    if (const Fault fault = read(json_array_get(from, i), into[i], rule)) return fault;
  }
  return kFine;
}

template <class M, class T>
Fault read_row(const json_t *from, M &into, const Field<M, T> &row, std::string &where) {
  const json_t *value = json_object_get(from, row.name);
  if (value == nullptr && row.rule.optional) return kFine;
  where = row.name;
  if (value == nullptr) return "is missing";
  return read(value, into.*row.member, row.rule);
}
template <class M, class T>
Fault read_row(const json_t *from, M &into, const Inlined<M, T> &row, std::string &where) {
  return read_members(from, into.*row.member, where);
}

template <class T>
Fault read_members(const json_t *from, T &into, std::string &where) {
  Fault fault = kFine;
  each_row<T>([&](const auto &row) {
    if (fault == kFine) fault = read_row(from, into, row, where);
  });
  return fault;
}

template <class Any, size_t I = 0>
Result<Any> decode_as(const std::string &type, const json_t *object) {
  if constexpr (I == std::variant_size_v<Any>) {
    return Error{Errc::not_found, 0, type};
  } else {
    using M = std::variant_alternative_t<I, Any>;
    if (type != kWord<M>) return decode_as<Any, I + 1>(type, object);
    M message;
    std::string where;
    if (const Fault fault = read_members(object, message, where)) {
      return Error{Errc::protocol, 0, type + ": \"" + where + "\" " + fault};
    }
    return Any(std::in_place_index<I>, std::move(message));
  }
}

template <class Any>
Result<Any> decode_any(std::string_view line) {
  auto object = json_parse(line);
  if (!object) return std::move(object).error();
  if (!json_is_object(object->get())) return Error{Errc::protocol, 0, "not a JSON object"};
  const auto type = json_get_text(object->get(), "t");
  if (!type) return Error{Errc::protocol, 0, "\"t\" is missing or not a string"};
  return decode_as<Any>(*type, object->get());
}

}  // namespace

std::string encode(const ToSessiond &message) { return encode_any(message); }
std::string encode(const ToProxy &message) { return encode_any(message); }

Result<ToSessiond> decode_to_sessiond(std::string_view line) {
  return decode_any<ToSessiond>(line);
}
Result<ToProxy> decode_to_proxy(std::string_view line) { return decode_any<ToProxy>(line); }

}  // namespace holdfast::link
