#include "sessiond/http_routes.h"

#include <algorithm>

#include "common/json_writer.h"
#include "common/log.h"
#include "common/units.h"
#include "sessiond/metrics.h"
#include "sessiond/service_report.h"
#include "sessiond/session_lookup.h"
#include "sessiond/session_report.h"
#include "sessiond/status_page.h"

namespace holdfast::sessiond {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";

ApiResponse text_answer(int status, std::string text) {
  return ApiResponse{status, kText, std::move(text), {}};
}

ApiResponse error_answer(int status, std::string_view what) {
  ApiResponse out;
  out.status = status;
  JsonWriter w(out.body);
  w.begin_object().key("error").text(what).end_object();
  out.body += '\n';
  return out;
}

template <class Write>
ApiResponse json_answer(Write &&write) {
  ApiResponse out;
  JsonWriter w(out.body);
  write(w);
  out.body += '\n';
  return out;
}

// ---- probes

ApiResponse get_health(Service &service, const ApiRequest &request) {
  return json_answer([&](JsonWriter &w) { write_health(w, service, request.with_users); });
}

ApiResponse get_live(Service &, const ApiRequest &) { return text_answer(200, "live\n"); }

ApiResponse get_ready(Service &service, const ApiRequest &) {
  const Core &core = service.core();
  if (core.draining()) return text_answer(503, "draining\n");
  const auto backends = backend_totals(core);
  const bool none_admits = std::none_of(backends.begin(), backends.end(),
                                        [](const BackendTotal &backend) { return backend.admits; });
  if (!backends.empty() && none_admits) return text_answer(503, "no backend is up\n");
  return text_answer(200, "ready\n");
}

ApiResponse get_metrics(Service &service, const ApiRequest &) {
  return ApiResponse{200, kMetricsContentType, metrics_text(service), {}};
}

// ---- lists

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The page's filter box: a part of anything a row shows.
bool matches_text(const Session &session, std::string_view part) {
  if (part.empty()) return true;
  return contains(handle_of(session.id->text()), part) || contains(session.user->name, part) ||
         (session.backend != nullptr && contains(session.backend->text, part)) ||
         contains(to_word(session.transport), part) ||
         contains(to_word(standing_of(session)), part);
}

size_t limit_of(const ApiRequest &request) {
  const std::string text = query_value(request.query, "limit");
  return parse_whole(text, 1, kApiSessionsMax).value_or(kApiSessionsMax);
}

// "sessions":[…],"matched":N: as many rows as the limit allows, and how many there would be.
void write_session_list(JsonWriter &w, Service &service, const ApiRequest &request) {
  const MonoTime now = service.clock().now();
  const std::string part = query_value(request.query, "filter");
  const std::string user = query_value(request.query, "user");
  SessionFilter filter;
  if (!user.empty()) filter.user = user;
  const size_t limit = limit_of(request);
  int64_t matched_count = 0;
  size_t written_count = 0;
  w.key("sessions").begin_array();
  for (const Session *s : list_sessions(service.core(), filter, SIZE_MAX, now).sessions) {
    if (!matches_text(*s, part)) continue;
    ++matched_count;
    if (written_count == limit) continue;
    ++written_count;
    write_session(w, *s, now, false);
  }
  w.end_array().key("matched").number(matched_count);
}

ApiResponse get_sessions(Service &service, const ApiRequest &request) {
  return json_answer([&](JsonWriter &w) {
    w.begin_object();
    write_session_list(w, service, request);
    w.end_object();
  });
}

ApiResponse get_backends(Service &service, const ApiRequest &) {
  return json_answer([&](JsonWriter &w) {
    w.begin_object().key("backends");
    write_backends(w, backend_totals(service.core()));
    w.end_object();
  });
}

void write_counters(JsonWriter &w, const Core &core) {
  w.begin_object();
  for (const auto &[name, value] : proxy_counters(core)) w.key(name).number(value);
  w.end_object();
}

ApiResponse get_status(Service &service, const ApiRequest &request) {
  return json_answer([&](JsonWriter &w) {
    w.begin_object().key("admin").boolean(request.admin_level);
    w.key("info").begin_object();
    for (const auto &[key, value] : service_info(service)) {
      w.key(key);
      if (const auto *number = std::get_if<int64_t>(&value)) {
        w.number(*number);
      } else {
        w.text(std::get<std::string>(value));
      }
    }
    w.end_object().key("draining").boolean(service.core().draining());
    w.key("proxies");
    write_proxies(w, service);
    w.key("backends");
    write_backends(w, backend_totals(service.core()));
    w.key("counters");
    write_counters(w, service.core());
    write_session_list(w, service, request);
    w.end_object();
  });
}

ApiResponse get_page(Service &, const ApiRequest &) {
  ApiResponse out{200, "text/html; charset=utf-8", std::string(status_page()), {}};
  out.fields.emplace_back("Content-Security-Policy", status_page_policy());
  out.fields.emplace_back("Referrer-Policy", "no-referrer");
  return out;
}

// ---- changes

void ignore_outcome(const CommandDone &) {}  // the page sees it with its next poll

ApiResponse post_drain(Service &service, const ApiRequest &request) {
  const std::string word = query_value(request.query, "on");
  const auto on = word.empty() ? Result<bool>(true) : parse_loose_switch(word);
  if (!on) return error_answer(400, on.error().message);
  log_info("event=http_command command=drain on={}", *on ? "yes" : "no");
  const Token token = service.new_token();
  service.submit(token, SetDrain{token, *on}, ignore_outcome);
  return json_answer(
      [&](JsonWriter &w) { w.begin_object().key("draining").boolean(*on).end_object(); });
}

constexpr std::string_view kSessionsPath = "/api/sessions/";
constexpr std::string_view kTerminate = "/terminate";

ApiResponse post_terminate(Service &service, const ApiRequest &request) {
  std::string_view id = request.path;
  id.remove_suffix(kTerminate.size());
  id.remove_prefix(id.rfind('/') + 1);
  const SessionLookup found = look_up_session(service.core(), id);
  if (found.session == nullptr) {
    return error_answer(found.fault == AdminFault::not_found ? 404 : 400, found.message);
  }
  const std::string handle(handle_of(found.session->id->text()));
  log_info("event=http_command command=shutdown_session session={}", handle);
  const Token token = service.new_token();
  service.submit(token, ShutdownSession{token, std::string(found.session->id->text())},
                 ignore_outcome);
  ApiResponse out =
      json_answer([&](JsonWriter &w) { w.begin_object().key("id").text(handle).end_object(); });
  out.status = 202;  // the proxy has been told; the session is gone when it says so
  return out;
}

// ---- routes

struct Route {
  std::string_view path;
  std::string_view suffix;  // not empty: `path` SOMETHING `suffix`
  bool changes = false;     // POST, with the admin's leave; else GET and HEAD
  ApiResponse (*run)(Service &service, const ApiRequest &request);
};

constexpr Route kRoutes[] = {
    {"/", "", false, get_page},
    {"/status", "", false, get_page},
    {"/status.json", "", false, get_status},
    {"/health", "", false, get_health},
    {"/live", "", false, get_live},
    {"/ready", "", false, get_ready},
    {"/metrics", "", false, get_metrics},
    {"/api/sessions", "", false, get_sessions},
    {"/api/backends", "", false, get_backends},
    {"/api/drain", "", true, post_drain},
    {kSessionsPath, kTerminate, true, post_terminate},
};

bool path_matches(const Route &route, std::string_view path) {
  if (route.suffix.empty()) return path == route.path;
  if (path.size() <= route.path.size() + route.suffix.size()) return false;
  if (!path.starts_with(route.path) || !path.ends_with(route.suffix)) return false;
  path.remove_prefix(route.path.size());
  path.remove_suffix(route.suffix.size());
  return path.find('/') == std::string_view::npos;
}

ApiResponse not_allowed(const Route &route) {
  ApiResponse out = error_answer(405, route.changes ? "use POST" : "use GET");
  out.fields.emplace_back("Allow", route.changes ? "POST" : "GET, HEAD");
  return out;
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = high < 0 ? -1 : hex_value(text[i + 2]);
    if (low < 0) return {};
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

std::string query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name || equals == std::string_view::npos) continue;
    return percent_decoded(pair.substr(equals + 1));
  }
  return {};
}

ApiResponse handle_api_request(Service &service, const ApiRequest &request) {
  // The page asks for everything below its own path, which may be the one with its name.
  std::string_view path = request.path;
  constexpr std::string_view kPageFolder = "/status/";
  if (path.starts_with(kPageFolder)) path.remove_prefix(kPageFolder.size() - 1);
  for (const Route &route : kRoutes) {
    if (!path_matches(route, path)) continue;
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (route.changes ? request.method != "POST" : !reads) return not_allowed(route);
    if (route.changes && !request.admin_level) {
      return error_answer(403, "this location only shows; holdfast_status admin; allows changes");
    }
    if (route.changes && !request.admin_asked) {
      return error_answer(403, "changes need the header X-Holdfast-Admin: 1");
    }
    return route.run(service, request);
  }
  return error_answer(404, "no such page");
}

}  // namespace holdfast::sessiond
