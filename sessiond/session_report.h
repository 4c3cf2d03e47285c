// One session as people and machines are shown it: each property is one row of a table, and every
// form (JSON object, `key: value` lines, one line of a list) reads the rows. The whole id is a
// credential and stands only where it was asked for; the backend's id never does. Pure; the core's
// thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "common/json_writer.h"
#include "sessiond/core/health.h"
#include "sessiond/core/session.h"

namespace holdfast::sessiond {

using PropertyValue = std::variant<std::string_view, int64_t, bool>;

struct SessionProperty {
  std::string_view key;
  PropertyValue (*get)(const Session &session, MonoTime now);
};
// Without the id, which depends on who asks.
std::span<const SessionProperty> session_properties() noexcept;

// How long the session has been idle; 0 while a request is in flight.
Millis idle_of(const Session &session, MonoTime now) noexcept;

// The id as it may be shown.
std::string_view shown_id(const Session &session, bool whole_id) noexcept;

void write_session(JsonWriter &w, const Session &session, MonoTime now, bool whole_id);
// "q0Zr1234 user=alice transport=streamable …\n"
std::string session_line(const Session &session, MonoTime now, bool whole_id);
// "id: q0Zr1234\nuser: alice\n…"
std::string session_details(const Session &session, MonoTime now, bool whole_id);

}  // namespace holdfast::sessiond
