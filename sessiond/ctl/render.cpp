#include "sessiond/ctl/render.h"

#include <algorithm>
#include <array>

#include "common/utf8.h"

namespace holdfast::ctl {
namespace {

using Row = std::vector<std::string>;

std::string text_at(const json_t *object, const char *key) {
  return printable(json_get_text(object, key).value_or(""));
}

std::string number_at(const json_t *object, const char *key) {
  const auto value = json_get_int(object, key);
  return value ? std::to_string(*value) : std::string("-");
}

std::string duration_at(const json_t *object, const char *key) {
  return short_duration(std::chrono::milliseconds(json_get_int(object, key).value_or(0)));
}

// How long ago; "-" when it never happened.
std::string since_at(const json_t *object, const char *key) {
  return json_get_int(object, key) ? duration_at(object, key) : std::string("-");
}

// A scalar as KEY=VALUE shows it.
std::string value_text(const json_t *value) {
  if (json_is_string(value)) {
    return printable({json_string_value(value), json_string_length(value)});
  }
  if (json_is_integer(value)) return std::to_string(json_integer_value(value));
  if (json_is_boolean(value)) return json_is_true(value) ? "yes" : "no";
  return "";
}

// Characters, not bytes: good enough for names.
size_t width_of(std::string_view text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return width;
}

std::string line_of(const Row &row, const std::vector<size_t> &widths) {
  std::string out;
  for (size_t i = 0; i < row.size(); ++i) {
    out += row[i];
    if (i + 1 < row.size()) out += std::string(widths[i] - width_of(row[i]) + 2, ' ');
  }
  while (out.ends_with(' ')) out.pop_back();
  return out + "\n";
}

// "  Transport: streamable", names right-aligned.
std::string detail(std::string_view name, const std::string &value) {
  constexpr size_t kNameWidth = 13;
  if (value.empty()) return "";
  return std::string(kNameWidth - std::min(kNameWidth, name.size()), ' ') + std::string(name) +
         ": " + value + "\n";
}

}  // namespace

std::string short_duration(std::chrono::milliseconds duration) {
  struct Unit {
    const char *name;
    int64_t seconds;
  };
  constexpr std::array<Unit, 4> kUnits = {{{"d", 86'400}, {"h", 3600}, {"m", 60}, {"s", 1}}};
  int64_t left = std::max<int64_t>(0, duration.count() / 1000);
  std::string out;
  int shown_count = 0;
  for (const Unit &unit : kUnits) {
    const int64_t count = left / unit.seconds;
    left %= unit.seconds;
    if (count == 0 && shown_count == 0) continue;
    if (count > 0) out += std::to_string(count) + unit.name;
    if (++shown_count == 2) break;
  }
  return out.empty() ? "0s" : out;
}

std::string printable(std::string_view text) {
  std::string out = utf8_repaired(text);
  for (char &c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  // U+0080 to U+009F steer terminals as well: in UTF-8 0xc2 and a byte below 0xa0.
  for (size_t i = 0; i + 1 < out.size(); ++i) {
    if (out[i] == '\xc2' && static_cast<unsigned char>(out[i + 1]) < 0xa0) out.replace(i, 2, "?");
  }
  return out;
}

std::string table(const Row &header, const std::vector<Row> &rows, bool with_header) {
  std::vector<size_t> widths(header.size());
  for (size_t i = 0; i < header.size(); ++i) {
    if (with_header) widths[i] = width_of(header[i]);
    for (const Row &row : rows) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out = with_header ? line_of(header, widths) : "";
  for (const Row &row : rows) out += line_of(row, widths);
  return out;
}

std::string session_table(const json_t *sessions, bool legend) {
  std::vector<Row> rows;
  size_t index = 0;
  json_t *session = nullptr;
  json_array_foreach(sessions, index, session) {
    rows.push_back({text_at(session, "id"), text_at(session, "user"), text_at(session, "transport"),
                    text_at(session, "backend"), text_at(session, "state"),
                    duration_at(session, "age_ms"), duration_at(session, "idle_ms"),
                    number_at(session, "requests")});
  }
  std::string out = table(
      {"SESSION", "USER", "TRANSPORT", "BACKEND", "STATE", "AGE", "IDLE", "REQS"}, rows, legend);
  if (legend) out += "\n" + std::to_string(rows.size()) + " sessions listed.\n";
  return out;
}

std::string session_details(const json_t *session) {
  const bool persistent = json_get_bool(session, "persistent").value_or(false);
  std::string client = text_at(session, "client_name");
  const std::string version = text_at(session, "client_version");
  if (!client.empty() && !version.empty()) client += " " + version;
  std::string out = text_at(session, "id") + " - " + text_at(session, "user") + "\n";
  out += detail("State", text_at(session, "state") + (persistent ? ", persistent" : ""));
  out += detail("Transport", text_at(session, "transport"));
  out += detail("Backend", text_at(session, "backend"));
  out += detail("Policy", text_at(session, "policy"));
  out += detail("Age", duration_at(session, "age_ms"));
  out += detail("Idle", duration_at(session, "idle_ms"));
  out += detail("Requests", number_at(session, "requests") + " (" +
                                number_at(session, "in_flight") + " in flight)");
  out += detail("Streams", number_at(session, "streams"));
  out += detail("Client", client);
  out += detail("Peer", text_at(session, "peer"));
  out += detail("Node", text_at(session, "node"));
  return out;
}

std::string session_properties(const json_t *session, const std::vector<std::string> &only,
                               bool values_only) {
  std::string out;
  // jansson's iterators take a mutable object; nothing is changed.
  auto *object = const_cast<json_t *>(session);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  const char *key = nullptr;
  json_t *value = nullptr;
  json_object_foreach(object, key, value) {
    if (!only.empty() && std::find(only.begin(), only.end(), key) == only.end()) continue;
    if (!values_only) out += std::string(key) + "=";
    out += value_text(value) + "\n";
  }
  return out;
}

std::string backend_table(const json_t *backends, bool legend) {
  std::vector<Row> rows;
  size_t index = 0;
  json_t *backend = nullptr;
  json_array_foreach(backends, index, backend) {
    const std::string check = text_at(backend, "check");
    rows.push_back({text_at(backend, "upstream"), text_at(backend, "server"),
                    text_at(backend, "status"), number_at(backend, "weight"),
                    number_at(backend, "sessions"), number_at(backend, "requests"),
                    number_at(backend, "errors"), check.empty() ? "-" : check,
                    since_at(backend, "changed_ms")});
  }
  std::string out = table(
      {"UPSTREAM", "SERVER", "STATE", "WEIGHT", "SESSIONS", "REQS", "ERRORS", "CHECK", "SINCE"},
      rows, legend);
  if (legend) out += "\n" + std::to_string(rows.size()) + " backends listed.\n";
  return out;
}

std::string backend_details(const json_t *backend) {
  const std::string check = text_at(backend, "check");
  std::string out = text_at(backend, "upstream") + "/" + text_at(backend, "server") + "\n";
  out += detail("State", text_at(backend, "status"));
  out += detail("Since", since_at(backend, "changed_ms"));
  out += detail("Weight", number_at(backend, "weight"));
  out += detail("Sessions", number_at(backend, "sessions"));
  out += detail("Requests", number_at(backend, "requests"));
  out += detail("Errors", number_at(backend, "errors"));
  out += detail("Last check", check.empty() ? "-" : check);
  return out;
}

std::string status_text(const json_t *info, const json_t *stat) {
  const auto limit = json_get_int(info, "MaxSessions").value_or(0);
  std::string out = text_at(info, "Name") + " " + text_at(info, "Version") + " on " +
                    text_at(info, "Node") + "\n";
  out += detail("Status", text_at(info, "Status"));
  out += detail("Pid", number_at(info, "Pid"));
  out += detail("Uptime", text_at(info, "Uptime"));
  out += detail("Configuration", "generation " + number_at(info, "Generation"));
  out += detail("Sessions", number_at(info, "Sessions") +
                                (limit > 0 ? " of " + std::to_string(limit) : "") + ", " +
                                number_at(info, "ActiveSessions") + " active");
  out += detail("Users", number_at(info, "Users"));
  out += detail("Streams", number_at(info, "Streams"));
  out += detail("Proxies", number_at(info, "Proxies"));
  std::vector<Row> rows;
  size_t index = 0;
  json_t *line = nullptr;
  json_array_foreach(stat, index, line) {
    const std::string server = text_at(line, "svname");
    if (server == "FRONTEND" || server == "BACKEND") continue;
    rows.push_back({text_at(line, "pxname"), server, text_at(line, "status"), text_at(line, "scur"),
                    text_at(line, "req_tot"), text_at(line, "eresp")});
  }
  if (rows.empty()) return out;
  return out + "\n" +
         table({"UPSTREAM", "SERVER", "STATE", "SESSIONS", "REQS", "ERRORS"}, rows, true);
}

std::string reload_text(const json_t *outcome) {
  const json_t *own = json_object_get(outcome, "sessiond");
  const std::string message = json_get_text(own, "message").value_or("");
  std::string out = "sessiond: " + utf8_repaired(message) + "\n";
  size_t index = 0;
  json_t *proxy = nullptr;
  json_array_foreach(json_object_get(outcome, "proxies"), index, proxy) {
    out += "proxy " + text_at(proxy, "node") + " (pid " + number_at(proxy, "pid") +
           "): " + text_at(proxy, "state");
    const std::string said = json_get_text(proxy, "message").value_or("");
    out += (said.empty() ? "" : ": " + utf8_repaired(said)) + "\n";
  }
  return out;
}

}  // namespace holdfast::ctl
