#include "sessiond/service_report.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <span>

#include "common/units.h"
#include "sessiond/core/health.h"

namespace holdfast::sessiond {
namespace {

int64_t as_int(size_t count) noexcept { return static_cast<int64_t>(count); }

// 0 where there is none, as HAProxy tells limits.
int64_t limit_of(const std::optional<uint64_t> &cap) noexcept {
  return cap ? static_cast<int64_t>(*cap) : 0;
}

// By RefuseReason.
constexpr std::string_view kRefusedNames[] = {
    "Refused_max_sessions", "Refused_max_sessions_per_user", "Refused_max_sessions_per_address",
    "Refused_draining",     "Refused_sessiond_down",         "Refused_unknown"};
static_assert(std::size(kRefusedNames) == kRefuseReasonsCount);

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

int64_t streams_count(const Core &core) {
  int64_t count = 0;
  for (const auto &[name, instance] : core.table().instances()) {
    using OfInstance = IntrusiveList<Session, &Session::of_instance>;
    const Session *s = instance.sessions.front();
    for (; s != nullptr; s = OfInstance::next(*s)) count += s->streams;
  }
  return count;
}

int64_t linked_count(const Core &core) {
  int64_t count = 0;
  for (const auto &[id, link] : core.links()) count += link.instance != nullptr ? 1 : 0;
  return count;
}

// ---- show stat

struct StatLine {
  std::string proxy;   // upstream, or "holdfast" for what clients see
  std::string server;  // FRONTEND, BACKEND, or the server's address
  BackendTotal total;
  const Core *core = nullptr;  // only for the frontend's line
};

std::string frontend_counter(const StatLine &line, std::string_view name) {
  if (line.core == nullptr) return {};
  return std::to_string(proxy_counter(*line.core, name));
}

std::string errors_of(const StatLine &line) {
  return line.core == nullptr ? std::to_string(line.total.errors) : std::string{};
}

struct StatColumn {
  std::string_view name;
  std::string (*cell)(const StatLine &line);
};

std::string no_cell(const StatLine &) { return {}; }

std::string upper(std::string_view word) {
  std::string out(word);
  for (char &c : out) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c);
  return out;
}

constexpr StatColumn kColumns[] = {
    {"pxname", [](const StatLine &l) { return l.proxy; }},
    {"svname", [](const StatLine &l) { return l.server; }},
    {"scur", [](const StatLine &l) { return std::to_string(l.total.sessions); }},
    {"smax", no_cell},
    {"slim", no_cell},
    {"stot", [](const StatLine &l) { return frontend_counter(l, "connections_accepted"); }},
    {"bin", [](const StatLine &l) { return frontend_counter(l, "client_bytes_received"); }},
    {"bout", [](const StatLine &l) { return frontend_counter(l, "client_bytes_sent"); }},
    {"econ", no_cell},
    {"eresp", errors_of},
    {"status",
     [](const StatLine &l) {
       if (l.core != nullptr) return std::string("OPEN");
       if (l.server == "BACKEND") return std::string(l.total.admits ? "UP" : "DOWN");
       return upper(status_word(l.total));
     }},
    {"weight",
     [](const StatLine &l) {
       return l.core != nullptr ? std::string() : std::to_string(l.total.weight);
     }},
    {"chkfail", no_cell},
    {"chkdown", no_cell},
    {"lastchg",
     [](const StatLine &l) {
       return l.total.changed_ms ? std::to_string(*l.total.changed_ms / 1000) : std::string();
     }},
    {"downtime", no_cell},
    {"rate", no_cell},
    {"rate_max", no_cell},
    {"hrsp_2xx", [](const StatLine &l) { return frontend_counter(l, "http_responses_2xx"); }},
    {"hrsp_4xx", [](const StatLine &l) { return frontend_counter(l, "http_responses_4xx"); }},
    {"hrsp_5xx", [](const StatLine &l) { return frontend_counter(l, "http_responses_5xx"); }},
    {"qtime", no_cell},
    {"ctime", no_cell},
    {"rtime", no_cell},
    {"ttime", no_cell},
    {"req_tot", [](const StatLine &l) { return std::to_string(l.total.requests); }},
};

// The lines of `show stat`, built once for both forms.
std::vector<StatLine> stat_lines(const Service &service) {
  const Core &core = service.core();
  StatLine front{"holdfast", "FRONTEND", {}, &core};
  front.total.sessions = as_int(core.table().session_count());
  front.total.requests = proxy_counter(core, "http_requests");
  std::vector<StatLine> lines{front};
  std::map<std::string, BackendTotal> upstreams;
  for (BackendTotal &total : backend_totals(core)) {
    BackendTotal &sum = upstreams[total.upstream];
    sum.up |= total.up;
    sum.admits |= total.admits;
    sum.weight += total.weight;
    sum.sessions += total.sessions;
    sum.requests += total.requests;
    sum.errors += total.errors;
    lines.push_back(StatLine{total.upstream, total.server, total, nullptr});
  }
  for (const auto &[name, sum] : upstreams)
    lines.push_back(StatLine{name, "BACKEND", sum, nullptr});
  return lines;
}

std::string csv_cell(const std::string &text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c == '\n' ? ' ' : c;
  }
  return out + '"';
}

}  // namespace

void write_health(JsonWriter &w, const Service &service, bool with_users) {
  const Core &core = service.core();
  const MonoTime now = service.clock().now();
  const Health found = health(core, now);
  w.begin_object().key("status").text(to_word(found.status));
  w.key("sessions").begin_object();
  w.key("total").number(as_int(found.total_count));
  w.key("active").number(as_int(found.active_count));
  if (with_users) {
    w.key("byUser").begin_object();
    for (const auto &[user, count] : found.by_user) w.key(user).number(as_int(count));
    w.end_object();
  }
  w.end_object();
  const auto &cap = core.settings().top.max_sessions;
  if (cap) w.key("maxSessions").number(static_cast<int64_t>(*cap));
  w.key("proxies").number(linked_count(core));
  const auto backends = backend_totals(core);
  int64_t up_count = 0;
  for (const BackendTotal &backend : backends) up_count += backend.up ? 1 : 0;
  w.key("backends").begin_object();
  w.key("total").number(as_int(backends.size())).key("up").number(up_count).end_object();
  w.key("version").text(service.version());
  w.key("uptime_s").number((now - service.started()).count() / 1000);
  w.end_object();
}

std::vector<std::pair<std::string_view, InfoValue>> service_info(const Service &service) {
  const Core &core = service.core();
  const MonoTime now = service.clock().now();
  const Millis uptime = now - service.started();
  const Health found = health(core, now);
  const Policy &top = core.settings().top;
  std::vector<std::pair<std::string_view, InfoValue>> info{
      {"Name", "holdfast-sessiond"},
      {"Version", std::string(service.version())},
      {"Pid", int64_t{getpid()}},
      {"Uptime", duration_text(std::chrono::floor<std::chrono::seconds>(uptime))},
      {"Uptime_sec", uptime.count() / 1000},
      {"Nbthread", int64_t{1}},
      {"CurrConns", proxy_counter(core, "connections_open")},
      {"CumConns", proxy_counter(core, "connections_accepted")},
      {"CumReq", proxy_counter(core, "http_requests")},
      {"Sessions", as_int(found.total_count)},
      {"MaxSessions", limit_of(core.settings().top.max_sessions)},
      {"Streams", streams_count(core)},
      {"Generation", static_cast<int64_t>(service.generation())},
      {"Node", host_name()},
      {"Status", std::string(to_word(found.status))},
      {"ActiveSessions", as_int(found.active_count)},
      {"Reservations", as_int(core.table().opening_count())},
      {"Users", as_int(core.table().user_count())},
      {"Proxies", linked_count(core)},
      {"MaxSessionsPerUser", limit_of(top.max_sessions_per_user)},
      {"MaxSessionsPerAddress", limit_of(top.max_sessions_per_address)},
      {"Addresses", as_int(core.table().address_count())},
      {"WaitingAdmissions", as_int(core.waiting_count())},
      {"Tombstones", as_int(core.tombstones().size())},
      {"Evicted", static_cast<int64_t>(core.counters().evictions)},
  };
  for (const auto &row : enum_words<RefuseReason>()) {
    const uint64_t count = core.counters().refused[static_cast<size_t>(row.value)];
    info.emplace_back(kRefusedNames[static_cast<size_t>(row.value)], static_cast<int64_t>(count));
  }
  return info;
}

std::vector<BackendTotal> backend_totals(const Core &core) {
  std::map<std::pair<std::string, std::string>, BackendTotal> totals;
  for (const auto &[id, link] : core.links()) {
    for (const link::BackendInfo &info : link.stats.backends) {
      BackendTotal &total = totals[{info.upstream, info.server}];
      total.up |= info.up;
      total.sessions += info.sessions;
      total.requests += info.requests;
      total.errors += info.errors;
      total.admits |= admits_sessions(info);
      total.removed &= info.removed;
      // What admins say, all proxies obey; a difference lasts until the next stats.
      if (info.state != ServerState::ready) total.state = info.state;
      if (info.weight) total.weight = *info.weight;
      if (total.check.empty() || total.check == "ok") total.check = info.check;
      if (info.changed_ms) {
        total.changed_ms = std::min(total.changed_ms.value_or(INT64_MAX), *info.changed_ms);
      }
    }
  }
  std::vector<BackendTotal> out;
  for (auto &[name, total] : totals) {
    total.upstream = name.first;
    total.server = name.second;
    out.push_back(std::move(total));
  }
  return out;
}

std::string_view status_word(const BackendTotal &backend) noexcept {
  if (backend.removed) return "removed";
  if (backend.state != ServerState::ready) return to_word(backend.state);
  return backend.up ? "up" : "down";
}

void write_backends(JsonWriter &w, const std::vector<BackendTotal> &backends) {
  w.begin_array();
  for (const BackendTotal &total : backends) {
    w.begin_object().key("upstream").text(total.upstream).key("server").text(total.server);
    w.key("up").boolean(total.up).key("status").text(status_word(total));
    w.key("weight").number(total.weight).key("sessions").number(total.sessions);
    w.key("requests").number(total.requests).key("errors").number(total.errors);
    w.key("check").text(total.check);
    if (total.changed_ms) w.key("changed_ms").number(*total.changed_ms);
    w.end_object();
  }
  w.end_array();
}

std::vector<std::pair<std::string, int64_t>> proxy_counters(const Core &core) {
  std::map<std::string, int64_t> sums;
  for (const auto &[id, link] : core.links()) {
    for (const auto &[name, value] : link.stats.counters) sums[name] += value;
  }
  return {sums.begin(), sums.end()};
}

int64_t proxy_counter(const Core &core, std::string_view name) {
  int64_t sum = 0;
  for (const auto &[id, link] : core.links()) {
    for (const auto &[counter, value] : link.stats.counters) {
      if (counter == name) sum += value;
    }
  }
  return sum;
}

std::string stat_csv(const Service &service) {
  std::string out = "# ";
  for (const StatColumn &column : kColumns) out += std::string(column.name) + ",";
  out.back() = '\n';
  for (const StatLine &line : stat_lines(service)) {
    for (const StatColumn &column : kColumns) out += csv_cell(column.cell(line)) + ",";
    out.back() = '\n';
  }
  return out;
}

void write_stat(JsonWriter &w, const Service &service) {
  w.begin_array();
  for (const StatLine &line : stat_lines(service)) {
    w.begin_object();
    for (const StatColumn &column : kColumns) {
      const std::string cell = column.cell(line);
      if (!cell.empty()) w.key(column.name).text(cell);
    }
    w.end_object();
  }
  w.end_array();
}

void write_proxies(JsonWriter &w, const Service &service) {
  const MonoTime now = service.clock().now();
  w.begin_array();
  for (const auto &[id, link] : service.core().links()) {
    if (link.instance == nullptr) continue;
    w.begin_object().key("node").text(link.node).key("pid").number(link.pid);
    w.key("version").text(link.version).key("linked_ms").number((now - link.since).count());
    w.end_object();
  }
  w.end_array();
}

}  // namespace holdfast::sessiond
