#include "common/link_messages.h"

#include <algorithm>
#include <type_traits>

#include "common/json_doc.h"
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
using Kind = JsonNode::Kind;

// An object's members by their names: those that come in the order they are asked for, as our
// writer sends them, are found without a search.
class Members {
 public:
  explicit Members(const JsonNode &object)
      : object_(object), next_(object.first()), left_(object.count) {}

  const JsonNode *find(std::string_view name) {
    if (left_ == 0 || next_->key != name) return object_.member(name);
    const JsonNode *const found = next_;
    next_ = next_->next();
    --left_;
    return found;
  }

 private:
  const JsonNode &object_;
  const JsonNode *next_;
  uint32_t left_;
};

template <class T>
Fault read_members(Members &from, T &into, std::string_view &where);

Fault read(const JsonNode &from, std::string &into, const Rule &rule) {
  if (from.kind != Kind::text) return "is not a string";
  const size_t bytes = from.text.size();
  if (bytes < rule.bytes_min) return "is empty";
  if (bytes > rule.bytes_max) return "is too long";
  into.assign(from.text);
  return kFine;
}

Fault read(const JsonNode &from, int64_t &into, const Rule &) {
  if (from.kind != Kind::integer) return "is not an integer";
  if (from.integer < 0 || from.integer > kLinkNumberMax) return "is out of range";
  into = from.integer;
  return kFine;
}

Fault read(const JsonNode &from, bool &into, const Rule &) {
  if (from.kind != Kind::boolean) return "is not true or false";
  into = from.integer != 0;
  return kFine;
}

template <class E>
requires std::is_enum_v<E> Fault read(const JsonNode &from, E &into, const Rule &) {
  if (from.kind != Kind::text) return "is not a string";
  auto value = from_word<E>(from.text);
  if (!value) value = value_of_other_words<E>();
  if (!value) return "is not one of its words";
  into = *value;
  return kFine;
}

template <class T>
Fault read(const JsonNode &from, std::optional<T> &into, const Rule &rule) {
  return read(from, into.emplace(), rule);
}

Fault read(const JsonNode &from, ActivityEntry &into, const Rule &) {
  if (from.kind != Kind::array) return "has an entry that is not an array";
  const JsonNode *value = from.first();
  uint32_t left = from.count;
  Fault fault = kFine;
  each_row<ActivityEntry>([&](const auto &row) {
    if (fault != kFine) return;
    fault = left == 0 ? "is missing" : read(*value, into.*row.member, row.rule);
    if (left > 0 && --left > 0) value = value->next();
  });
  return fault == kFine ? kFine : "has an entry that is not [id, idle_ms, in_flight, requests]";
}

template <class T>
requires(std::is_same_v<T, PolicyInfo> || std::is_same_v<T, BackendInfo>) Fault
    read(const JsonNode &from, T &into, const Rule &) {
  if (from.kind != Kind::object) return "has an entry that is not an object";
  Members members(from);
  std::string_view where;
  return read_members(members, into, where) == kFine ? kFine : "has a malformed entry";
}

Fault read(const JsonNode &from, std::vector<std::pair<std::string, int64_t>> &into,
           const Rule &rule) {
  if (from.kind != Kind::object) return "is not an object";
  if (from.count > rule.count_max) return "has too many members";
  const JsonNode *at = from.first();
  for (uint32_t i = 0; i < from.count; ++i, at = at->next()) {
    int64_t value = 0;
    if (read(*at, value, rule) != kFine) return "has a malformed member";
    into.emplace_back(at->key, value);
  }
  return kFine;
}

template <class T>
Fault read(const JsonNode &from, std::vector<T> &into, const Rule &rule) {
  if (from.kind != Kind::array) return "is not an array";
  if (from.count > rule.count_max) return "has too many entries";
  into.resize(from.count);
  const JsonNode *at = from.first();
  for (uint32_t i = 0; i < from.count; ++i, at = at->next()) {
    if (const Fault fault = read(*at, into[i], rule)) return fault;
  }
  return kFine;
}

template <class M, class T>
Fault read_row(Members &from, M &into, const Field<M, T> &row, std::string_view &where) {
  const JsonNode *const value = from.find(row.name);
  if (value == nullptr && row.rule.optional) return kFine;
  where = row.name;
  if (value == nullptr) return "is missing";
  return read(*value, into.*row.member, row.rule);
}
template <class M, class T>
Fault read_row(Members &from, M &into, const Inlined<M, T> &row, std::string_view &where) {
  return read_members(from, into.*row.member, where);
}

// `where`: the member that is at fault, if one is.
template <class T>
Fault read_members(Members &from, T &into, std::string_view &where) {
  Fault fault = kFine;
  each_row<T>([&](const auto &row) {
    if (fault == kFine) fault = read_row(from, into, row, where);
  });
  return fault;
}

template <class Any, size_t I = 0>
Result<Any> decode_as(std::string_view type, Members &members) {
  if constexpr (I == std::variant_size_v<Any>) {
    return Error{Errc::not_found, 0, std::string(type)};
  } else {
    using M = std::variant_alternative_t<I, Any>;
    if (type != kWord<M>) return decode_as<Any, I + 1>(type, members);
    Result<Any> message = Any(std::in_place_index<I>);  // filled in place: it may be a dozen texts
    std::string_view where;
    if (const Fault fault = read_members(members, std::get<I>(*message), where)) {
      std::string what(type);
      return Error{Errc::protocol, 0, what.append(": \"").append(where).append("\" ") + fault};
    }
    return message;
  }
}

template <class Any>
Result<Any> decode_any(std::string_view line) {
  auto doc = JsonDoc::parse(line);
  if (!doc) return std::move(doc).error();
  const JsonNode &object = doc->root();
  if (object.kind != Kind::object) return Error{Errc::protocol, 0, "not a JSON object"};
  Members members(object);
  const JsonNode *const type = members.find("t");
  if (type == nullptr || type->kind != Kind::text)
    return Error{Errc::protocol, 0, "\"t\" is missing or not a string"};
  return decode_as<Any>(type->text, members);
}

}  // namespace

std::string encode(const ToSessiond &message) { return encode_any(message); }
std::string encode(const ToProxy &message) { return encode_any(message); }

Result<ToSessiond> decode_to_sessiond(std::string_view line) {
  return decode_any<ToSessiond>(line);
}
Result<ToProxy> decode_to_proxy(std::string_view line) { return decode_any<ToProxy>(line); }

}  // namespace holdfast::link
