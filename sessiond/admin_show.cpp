// The admin commands that read.
#include <algorithm>
#include <optional>

#include "common/log.h"
#include "common/units.h"
#include "sessiond/admin_handlers.h"
#include "sessiond/service_report.h"
#include "sessiond/session_explain.h"
#include "sessiond/session_lookup.h"
#include "sessiond/session_report.h"

namespace holdfast::sessiond {
namespace {

constexpr size_t kListPieceBytes = 64 * 1024;

std::string json_line(std::string json) {
  json += '\n';
  return json;
}

std::string info_text(const InfoValue &value) {
  if (const auto *number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  return std::get<std::string>(value);
}

// ---- show sess

struct ListRequest {
  SessionFilter filter;
  std::optional<std::string> state;
  std::string id;  // of the one session asked for
  bool whole_id = false;
};

struct FilterWord {
  std::string_view word;
  // Stores the value; a message when it makes no sense.
  std::string (*take)(ListRequest &into, const std::string &value);
};

constexpr FilterWord kFilterWords[] = {
    {"user",
     [](ListRequest &into, const std::string &value) {
       into.filter.user = value;
       return std::string{};
     }},
    {"backend",
     [](ListRequest &into, const std::string &value) {
       into.filter.backend = value;
       return std::string{};
     }},
    {"policy",
     [](ListRequest &into, const std::string &value) {
       into.filter.policy = value;
       return std::string{};
     }},
    {"transport",
     [](ListRequest &into, const std::string &value) {
       into.filter.transport = from_word<Transport>(value);
       if (into.filter.transport) return std::string{};
       return "\"" + value + "\" is not a transport; sse, streamable or listen";
     }},
    {"state",
     [](ListRequest &into, const std::string &value) {
       constexpr Standing kAll[] = {Standing::opening, Standing::active, Standing::streaming,
                                    Standing::idle, Standing::closing};
       into.state = value;
       const bool known = std::any_of(std::begin(kAll), std::end(kAll),
                                      [&](Standing s) { return to_word(s) == value; });
       if (known) return std::string{};
       return "\"" + value + "\" is not a state; opening, active, streaming, idle or closing";
     }},
    {"idle_over",
     [](ListRequest &into, const std::string &value) {
       const auto idle = parse_duration(value);
       if (!idle) return idle.error().message;
       into.filter.idle_min = *idle;
       return std::string{};
     }},
};

// Reads the arguments of `show sess`; false after call.fail() said what is wrong.
bool read_list_request(const AdminCall &call, ListRequest &into) {
  for (size_t i = 0; i < call.args.size(); ++i) {
    const std::string &word = call.args[i];
    const auto *row = std::find_if(std::begin(kFilterWords), std::end(kFilterWords),
                                   [&](const FilterWord &f) { return f.word == word; });
    if (row != std::end(kFilterWords)) {
      if (++i == call.args.size()) {
        call.fail(AdminFault::usage, "\"" + word + "\" needs a value");
        return false;
      }
      const std::string wrong = row->take(into, call.args[i]);
      if (wrong.empty()) continue;
      call.fail(AdminFault::usage, wrong);
      return false;
    }
    if (word == "full") {
      into.whole_id = true;
    } else if (i == 0) {
      into.id = word;
    } else {
      call.fail(AdminFault::usage, "\"" + word + "\" is not a filter of show sess");
      return false;
    }
  }
  return true;
}

// A list in pieces: between two of them sessions may end, hence ids and not pointers.
struct ListCursor {
  const Service &service;
  std::vector<SessionId> ids;
  bool whole_id = false;
  bool json = false;
  size_t at = 0;
  bool begun = false;

  bool next(std::string &out) {
    const MonoTime now = service.clock().now();
    const size_t bytes_max = out.size() + kListPieceBytes;
    if (json && at == 0) out += '[';
    for (; at < ids.size() && out.size() < bytes_max; ++at) {
      const Session *session = service.core().table().find(ids[at].text());
      if (session == nullptr) continue;
      if (!json) {
        out += session_line(*session, now, whole_id);
        continue;
      }
      if (begun) out += ',';
      begun = true;
      JsonWriter w(out);
      write_session(w, *session, now, whole_id);
    }
    if (at < ids.size()) return true;
    if (json) out += "]\n";
    return false;
  }
};

void list_sessions_of(const AdminCall &call, const ListRequest &request) {
  ListCursor cursor{call.service, {}, request.whole_id, call.json};
  const MonoTime now = call.service.clock().now();
  for (const Session *session :
       list_sessions(call.service.core(), request.filter, SIZE_MAX, now).sessions) {
    if (request.state && to_word(standing_of(*session)) != *request.state) continue;
    cursor.ids.push_back(*session->id);
  }
  auto next = [cursor = std::move(cursor)](std::string &out) mutable { return cursor.next(out); };
  call.reply(AdminAnswer{{}, std::move(next), {}});
}

void show_one_session(const AdminCall &call, const ListRequest &request) {
  const Session *session = find_session_or_fail(call, request.id);
  if (session == nullptr) return;
  const MonoTime now = call.service.clock().now();
  if (!call.json) return call.answer(session_details(*session, now, request.whole_id));
  std::string out;
  JsonWriter w(out);
  write_session(w, *session, now, request.whole_id);
  call.answer(json_line(std::move(out)));
}

// ---- show config

void write_setting(JsonWriter &w, const Setting &setting) {
  w.begin_object().key("policy").text(setting.policy).key("name").text(setting.name);
  w.key("value").text(setting.value).key("origin").text(to_word(setting.origin));
  w.key("where").text(setting.where).end_object();
}

std::string setting_line(const Setting &setting, bool with_origin) {
  std::string line = setting.policy.empty() ? "" : "policy " + setting.policy + ": ";
  line += setting.name + " " + setting.value + ";";
  if (with_origin) {
    line += "  # " + std::string(to_word(setting.origin));
    if (!setting.where.empty()) line += " " + setting.where;
  }
  return line + "\n";
}

}  // namespace

const Session *find_session_or_fail(const AdminCall &call, std::string_view text) {
  const SessionLookup found = look_up_session(call.service.core(), text);
  if (found.session == nullptr) call.fail(found.fault, found.message);
  return found.session;
}

void show_sessions(const AdminCall &call) {
  ListRequest request;
  if (!read_list_request(call, request)) return;
  if (request.whole_id && call.peer.level < AdminLevel::admin) {
    return call.fail(AdminFault::denied, "whole session ids are credentials: for level admin");
  }
  return request.id.empty() ? list_sessions_of(call, request) : show_one_session(call, request);
}

// Of several that ended under one beginning the latest is meant: handles hardly ever meet twice.
void explain_session(const AdminCall &call) {
  const Core &core = call.service.core();
  const MonoTime now = call.service.clock().now();
  const SessionLookup found = look_up_session(core, call.args[0]);
  Facts facts;
  if (found.session != nullptr) {
    facts = explain(*found.session, call.service.config(), core, now);
  } else {
    const auto graves = core.tombstones().find_by_prefix(call.args[0], 1);
    const bool ended = found.fault == AdminFault::not_found && !graves.empty();
    if (!ended) return call.fail(found.fault, found.message);
    facts = explain(graves[0].first.text(), *graves[0].second, core, now);
  }
  if (!call.json) return call.answer(facts_text(facts));
  std::string out;
  JsonWriter w(out);
  write_facts(w, facts);
  call.answer(json_line(std::move(out)));
}

void show_info(const AdminCall &call) {
  const auto info = service_info(call.service);
  std::string out;
  if (call.json) {
    JsonWriter w(out);
    w.begin_object();
    for (const auto &[key, value] : info) {
      w.key(key);
      if (const auto *number = std::get_if<int64_t>(&value)) {
        w.number(*number);
      } else {
        w.text(std::get<std::string>(value));
      }
    }
    w.end_object();
    return call.answer(json_line(std::move(out)));
  }
  for (const auto &[key, value] : info) out += std::string(key) + ": " + info_text(value) + "\n";
  call.answer(std::move(out));
}

void show_stat(const AdminCall &call) {
  if (!call.json) return call.answer(stat_csv(call.service));
  std::string out;
  JsonWriter w(out);
  write_stat(w, call.service);
  call.answer(json_line(std::move(out)));
}

void show_proxies(const AdminCall &call) {
  std::string out;
  if (call.json) {
    JsonWriter w(out);
    write_proxies(w, call.service);
    return call.answer(json_line(std::move(out)));
  }
  const MonoTime now = call.service.clock().now();
  for (const auto &[id, link] : call.service.core().links()) {
    if (link.instance == nullptr) continue;
    out += "node=" + quoted(link.node) + " pid=" + std::to_string(link.pid);
    out += " version=" + quoted(link.version) + " linked=" + duration_text(now - link.since) + "\n";
  }
  call.answer(std::move(out));
}

void show_health(const AdminCall &call) {
  std::string out;
  JsonWriter w(out);
  write_health(w, call.service, true);
  call.answer(json_line(std::move(out)));
}

void show_config(const AdminCall &call) {
  if (!call.args.empty() && call.args[0] != "origin") {
    return call.fail(AdminFault::usage, "usage: show config [origin] [json]");
  }
  std::string out;
  const auto &settings = call.service.config().settings;
  if (call.json) {
    JsonWriter w(out);
    w.begin_array();
    for (const Setting &setting : settings) write_setting(w, setting);
    w.end_array();
    return call.answer(json_line(std::move(out)));
  }
  for (const Setting &setting : settings) out += setting_line(setting, !call.args.empty());
  call.answer(std::move(out));
}

void show_version(const AdminCall &call) {
  std::string out;
  if (call.json) {
    JsonWriter w(out);
    w.begin_object().key("version").text(call.service.version()).end_object();
    return call.answer(json_line(std::move(out)));
  }
  call.answer("holdfast-sessiond " + std::string(call.service.version()) + "\n");
}

}  // namespace holdfast::sessiond
