#include "sessiond/session_report.h"

#include "common/log.h"
#include "common/units.h"
#include "sessiond/core/reaper.h"

namespace holdfast::sessiond {
namespace {

std::string_view text_of(const TextPool::Entry *entry) noexcept {
  return entry == nullptr ? std::string_view{} : std::string_view(entry->text);
}

constexpr SessionProperty kProperties[] = {
    {"user", [](const Session &s, MonoTime) -> PropertyValue { return s.user->name; }},
    {"policy", [](const Session &s, MonoTime) -> PropertyValue { return s.policy->name; }},
    {"transport", [](const Session &s, MonoTime) -> PropertyValue { return to_word(s.transport); }},
    {"backend", [](const Session &s, MonoTime) -> PropertyValue { return text_of(s.backend); }},
    {"state", [](const Session &s, MonoTime) -> PropertyValue { return to_word(standing_of(s)); }},
    {"age_ms",
     [](const Session &s, MonoTime now) -> PropertyValue { return (now - s.created).count(); }},
    {"idle_ms",
     [](const Session &s, MonoTime now) -> PropertyValue { return idle_of(s, now).count(); }},
    {"requests", [](const Session &s, MonoTime) -> PropertyValue { return s.requests; }},
    {"in_flight", [](const Session &s, MonoTime) -> PropertyValue { return int64_t{s.in_flight}; }},
    {"streams", [](const Session &s, MonoTime) -> PropertyValue { return int64_t{s.streams}; }},
    {"persistent", [](const Session &s, MonoTime) -> PropertyValue { return is_persistent(s); }},
    {"peer", [](const Session &s, MonoTime) -> PropertyValue { return text_of(s.peer); }},
    {"client_name",
     [](const Session &s, MonoTime) -> PropertyValue { return text_of(s.client_name); }},
    {"client_version",
     [](const Session &s, MonoTime) -> PropertyValue { return text_of(s.client_version); }},
    {"node",
     [](const Session &s, MonoTime) -> PropertyValue {
       return s.instance == nullptr ? std::string_view{} : std::string_view(s.instance->node);
     }},
};

struct WriteJson {
  JsonWriter &w;
  void operator()(std::string_view value) const { w.text(value); }
  void operator()(int64_t value) const { w.number(value); }
  void operator()(bool value) const { w.boolean(value); }
};

// Peers chose some of the texts: quoted() keeps them from forging lines or keys.
struct ShowText {
  std::string operator()(std::string_view value) const { return quoted(value); }
  std::string operator()(int64_t value) const { return std::to_string(value); }
  std::string operator()(bool value) const { return value ? "yes" : "no"; }
};

}  // namespace

std::span<const SessionProperty> session_properties() noexcept { return kProperties; }

Millis idle_of(const Session &session, MonoTime now) noexcept {
  if (session.in_flight > 0 || now < session.last_activity) return Millis{0};
  return now - session.last_activity;
}

std::string_view shown_id(const Session &session, bool whole_id) noexcept {
  return whole_id ? session.id->text() : handle_of(session.id->text());
}

void write_session(JsonWriter &w, const Session &session, MonoTime now, bool whole_id) {
  w.begin_object().key("id").text(shown_id(session, whole_id));
  for (const SessionProperty &property : kProperties) {
    w.key(property.key);
    std::visit(WriteJson{w}, property.get(session, now));
  }
  w.end_object();
}

std::string session_line(const Session &session, MonoTime now, bool whole_id) {
  std::string out(shown_id(session, whole_id));
  out += " user=" + quoted(session.user->name);
  out += " transport=" + std::string(to_word(session.transport));
  out += " backend=" + quoted(text_of(session.backend));
  out += " state=" + std::string(to_word(standing_of(session)));
  out += " age=" + duration_text(now - session.created);
  out += " idle=" + duration_text(idle_of(session, now));
  out += " requests=" + std::to_string(session.requests);
  out += " streams=" + std::to_string(session.streams);
  out += std::string(" persistent=") + (is_persistent(session) ? "yes" : "no");
  return out + "\n";
}

std::string session_details(const Session &session, MonoTime now, bool whole_id) {
  std::string out = "id: " + std::string(shown_id(session, whole_id)) + "\n";
  for (const SessionProperty &property : kProperties) {
    out += std::string(property.key) + ": ";
    out += std::visit(ShowText{}, property.get(session, now)) + "\n";
  }
  return out;
}

}  // namespace holdfast::sessiond
