// The management API's answers, without HTTP: paths, methods, who may change what, and what a page
// is shown.
#include "sessiond/http_routes.h"

#include "common/json.h"
#include "common/log.h"
#include "sessiond/status_page.h"
#include "tests/support/fake_service.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using holdfast::test::FakeService;
using holdfast::test::session_id;

namespace {

ApiResponse get(FakeService &service, const std::string &path, const std::string &query = "",
                bool with_users = false) {
  return handle_api_request(service, {"GET", path, query, with_users, false, false});
}

ApiResponse post(FakeService &service, const std::string &path, const std::string &query = "") {
  return handle_api_request(service, {"POST", path, query, false, true, true});
}

JsonPtr json_of(const ApiResponse &response) {
  HF_EQ(response.content_type, "application/json");
  auto value = json_parse(response.body);
  if (!value) HF_FAIL(value.error().message + ": " + response.body);
  return *std::move(value);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

const std::string *field(const ApiResponse &response, std::string_view name) {
  for (const auto &[present, value] : response.fields) {
    if (name == present) return &value;
  }
  return nullptr;
}

}  // namespace

HF_TEST(health_counts_sessions_and_names_users_only_when_the_proxy_says_so) {
  FakeService service;
  service.link_proxy();
  service.open_session(session_id("aaaa"), "user123");
  service.open_session(session_id("bbbb"), "-");
  const JsonPtr plain = json_of(get(service, "/health"));
  HF_CHECK(json_get_text(plain.get(), "status") == "ok");
  const json_t *sessions = json_object_get(plain.get(), "sessions");
  HF_CHECK(json_get_int(sessions, "total") == 2);
  HF_CHECK(json_get_int(sessions, "active") == 2);
  HF_CHECK(json_object_get(sessions, "byUser") == nullptr);
  const JsonPtr users = json_of(get(service, "/health", "", true));
  const json_t *by_user = json_object_get(json_object_get(users.get(), "sessions"), "byUser");
  HF_CHECK(json_get_int(by_user, "user123") == 1);
  HF_CHECK(json_get_int(by_user, "-") == 1);
}

HF_TEST(health_is_200_whatever_the_state) {
  FakeService service;
  HF_EQ(get(service, "/health").status, 200);
  HF_CHECK(contains(get(service, "/health").body, "\"status\":\"degraded\""));  // no proxy
  service.link_proxy();
  HF_CHECK(contains(get(service, "/health").body, "\"status\":\"ok\""));
  HF_EQ(post(service, "/api/drain").status, 200);
  HF_EQ(get(service, "/health").status, 200);
  HF_CHECK(contains(get(service, "/health").body, "\"status\":\"draining\""));
}

HF_TEST(ready_says_whether_new_sessions_have_a_chance) {
  FakeService service;
  service.link_proxy();
  HF_EQ(get(service, "/live").status, 200);
  HF_EQ(get(service, "/ready").status, 200);
  service.from_proxy(link::Stats{{}, {{"u", "h:1", false, 0, 0, 0}, {"u", "h:2", true, 0, 0, 0}}});
  HF_EQ(get(service, "/ready").status, 200);
  service.from_proxy(link::Stats{{}, {{"u", "h:1", false, 0, 0, 0}}});
  HF_EQ(get(service, "/ready").status, 503);
  service.from_proxy(link::Stats{{}, {{"u", "h:1", true, 0, 0, 0}}});
  HF_EQ(post(service, "/api/drain").status, 200);
  HF_EQ(get(service, "/ready").status, 503);
  HF_EQ(post(service, "/api/drain", "on=false").status, 200);
  HF_EQ(get(service, "/ready").status, 200);
}

HF_TEST(methods_are_checked_and_named) {
  FakeService service;
  service.link_proxy();
  const ApiResponse wrong_get = get(service, "/api/drain");
  HF_EQ(wrong_get.status, 405);
  HF_EQ(*field(wrong_get, "Allow"), "POST");
  const ApiResponse wrong_post = post(service, "/health");
  HF_EQ(wrong_post.status, 405);
  HF_EQ(*field(wrong_post, "Allow"), "GET, HEAD");
  HF_EQ(handle_api_request(service, {"other", "/health", "", false, false, false}).status, 405);
  HF_EQ(handle_api_request(service, {"HEAD", "/health", "", false, false, false}).status, 200);
  HF_EQ(get(service, "/api/sessions/abcd/terminate").status, 405);
  for (const char *path :
       {"", "/nothing", "/api", "/api/sessions/", "/healthz", "/api/sessions/a/b/terminate"}) {
    HF_EQ(get(service, path).status, 404);
  }
  HF_CHECK(!service.core().draining());
}

// Without the header a page of another origin could order it with a plain form.
HF_TEST(changes_need_the_locations_leave_and_the_header) {
  FakeService service;
  service.link_proxy();
  const auto drain = [&](bool level, bool asked) {
    return handle_api_request(service, {"POST", "/api/drain", "", false, level, asked}).status;
  };
  HF_EQ(drain(false, true), 403);
  HF_EQ(drain(true, false), 403);
  HF_CHECK(!service.core().draining());
  HF_EQ(drain(true, true), 200);
  HF_CHECK(service.core().draining());
  HF_EQ(post(service, "/api/drain", "on=perhaps").status, 400);
}

HF_TEST(terminate_tells_the_proxy_at_once) {
  FakeService service;
  service.link_proxy();
  const std::string id = session_id("abcdefgh");
  service.open_session(id, "alice");
  service.open_session(session_id("abcdzzzz"), "alice");
  HF_EQ(post(service, "/api/sessions/abcd/terminate").status, 400);  // ambiguous
  HF_EQ(post(service, "/api/sessions/nope1/terminate").status, 404);
  HF_CHECK(service.last_sent<link::Drop>() == nullptr);
  HF_EQ(post(service, "/api/sessions/abcdefgh/terminate").status, 202);
  HF_EQ(service.last_sent<link::Drop>()->session, id);
  HF_EQ(post(service, "/status/api/sessions/abcdzzzz/terminate").status, 202);
}

HF_TEST(session_lists_are_bounded_filtered_and_without_whole_ids) {
  FakeService service;
  service.link_proxy();
  for (int i = 0; i < 300; ++i) {
    service.open_session(session_id("s" + std::to_string(1000 + i) + "_"),
                         i % 3 == 0 ? "alice b" : "bob");
  }
  const auto counts = [&](const std::string &query) {
    const JsonPtr list = json_of(get(service, "/api/sessions", query));
    return std::pair{json_array_size(json_object_get(list.get(), "sessions")),
                     *json_get_int(list.get(), "matched")};
  };
  HF_CHECK(counts("") == std::pair(kApiSessionsMax, int64_t{300}));
  HF_CHECK(counts("limit=5") == std::pair(size_t{5}, int64_t{300}));
  HF_CHECK(counts("limit=5000") == std::pair(kApiSessionsMax, int64_t{300}));
  HF_CHECK(counts("filter=s1007") == std::pair(size_t{1}, int64_t{1}));
  HF_CHECK(counts("user=alice%20b&limit=200") == std::pair(size_t{100}, int64_t{100}));
  HF_CHECK(counts("filter=alice+b") == std::pair(size_t{100}, int64_t{100}));
  HF_CHECK(counts("filter=nobody") == std::pair(size_t{0}, int64_t{0}));
  HF_CHECK(!contains(get(service, "/api/sessions").body, session_id("s1000_")));
  HF_CHECK(!contains(get(service, "/status.json").body, session_id("s1000_")));
}

HF_TEST(status_json_says_what_the_page_shows) {
  FakeService service;
  service.link_proxy();
  service.open_session(session_id("aaaa"), "<img src=x onerror=alert(1)>");
  service.from_proxy(link::Stats{{{"http_requests", 42}}, {{"u", "h:1", true, 1, 40, 2}}});
  const JsonPtr status = json_of(get(service, "/status.json"));
  HF_CHECK(json_get_bool(status.get(), "admin") == false);
  HF_CHECK(json_get_bool(status.get(), "draining") == false);
  HF_CHECK(json_get_int(json_object_get(status.get(), "counters"), "http_requests") == 42);
  HF_CHECK(json_get_int(json_object_get(status.get(), "info"), "Sessions") == 1);
  HF_EQ(json_array_size(json_object_get(status.get(), "backends")), size_t{1});
  HF_EQ(json_array_size(json_object_get(status.get(), "proxies")), size_t{1});
  HF_EQ(get(service, "/status/status.json").status, 200);
  HF_EQ(json_array_size(json_object_get(json_of(get(service, "/api/backends")).get(), "backends")),
        size_t{1});
}

HF_TEST(the_page_runs_only_its_own_script_and_asks_nobody_else) {
  FakeService service;
  for (const char *path : {"/", "/status", "/status/"}) {
    const ApiResponse page = get(service, path);
    HF_EQ(page.status, 200);
    const std::string *policy = field(page, "Content-Security-Policy");
    HF_CHECK(policy != nullptr);
    HF_CHECK(policy->starts_with("default-src 'none'; connect-src 'self'"));
    HF_CHECK(contains(*policy, "script-src 'sha256-"));
    HF_CHECK(contains(*policy, "style-src 'sha256-"));
    HF_CHECK(contains(*policy, "frame-ancestors 'none'"));
    HF_CHECK(!contains(*policy, "unsafe"));
  }
  const std::string_view page = status_page();
  HF_CHECK(page.ends_with("</html>\n"));
  HF_CHECK(!contains(page, "http://") && !contains(page, "https://"));
  HF_CHECK(!contains(page, "innerHTML"));
  HF_CHECK(!contains(page, " style=\""));  // the policy would block it
  HF_CHECK(!contains(page, " onclick="));
  // One script and one style: the hashes cover everything.
  HF_EQ(page.find("<script"), page.rfind("<script"));
  HF_EQ(page.find("<style"), page.rfind("<style"));
}

HF_TEST(metrics_are_prometheus_text_without_user_names) {
  FakeService service;
  service.link_proxy();
  service.open_session(session_id("abcd"), "alice");
  service.from_proxy(link::Stats{{{"http_requests", 42},
                                  {"http_responses_2xx", 40},
                                  {"http_responses_5xx", 2},
                                  {"something_new", 7},
                                  {"bad\nname", 7}},
                                 {{"everything", "h:1", true, 1, 40, 2}}});
  const ApiResponse metrics = get(service, "/metrics");
  HF_CHECK(metrics.content_type.starts_with("text/plain; version=0.0.4"));
  for (const char *line :
       {"holdfast_build_info{version=\"0.1.0\"} 1\n",
        "holdfast_sessions{transport=\"streamable\",state=\"idle\"} 1\n",
        "holdfast_sessions_opened_total 1\n", "holdfast_http_requests_total 42\n",
        "holdfast_http_responses_total{code=\"5xx\"} 2\n", "holdfast_proxy_something_new 7\n",
        "holdfast_upstream_up{upstream=\"everything\",peer=\"h:1\"} 1\n",
        "holdfast_sessions_closed_total{reason=\"idle_timeout\"} 0\n",
        "holdfast_sessions_rejected_total{reason=\"max_sessions\"} 0\n",
        "holdfast_sessions_rejected_total{reason=\"max_sessions_per_address\"} 0\n",
        "holdfast_addresses 1\n", "holdfast_reservations 0\n", "holdfast_admissions_waiting 0\n",
        "holdfast_tombstones 0\n",
        "holdfast_config_last_reload_successful{daemon=\"sessiond\"} 1\n",
        "process_cpu_seconds_total{daemon=\"sessiond\"}"}) {
    if (!contains(metrics.body, line)) HF_FAIL(std::string(line) + " not in\n" + metrics.body);
  }
  HF_CHECK(!contains(metrics.body, "alice"));
  HF_CHECK(!contains(metrics.body, "abcd"));
  HF_CHECK(!contains(metrics.body, "bad"));
  // A family may appear once only.
  const std::string type = "# TYPE holdfast_http_responses_total";
  HF_EQ(metrics.body.find(type), metrics.body.rfind(type));
}

HF_TEST(query_values_are_decoded) {
  HF_EQ(query_value("a=1&b=two+words&c=%41%2b", "b"), "two words");
  HF_EQ(query_value("a=1&b=two+words&c=%41%2b", "c"), "A+");
  HF_EQ(query_value("a=1", "b"), "");
  HF_EQ(query_value("a", "a"), "");
  HF_EQ(query_value("a=%4", "a"), "");
  HF_EQ(query_value("a=%zz", "a"), "");
  HF_EQ(query_value("a=%41", "a"), "A");
  HF_EQ(query_value("&&=x&a=", "a"), "");
}

int main() {
  (void)log_open("stderr", LogLevel::error);  // ignoring: stderr always opens
  const CMUnitTest tests[] = {
      HF_UNIT(health_counts_sessions_and_names_users_only_when_the_proxy_says_so),
      HF_UNIT(health_is_200_whatever_the_state),
      HF_UNIT(ready_says_whether_new_sessions_have_a_chance),
      HF_UNIT(methods_are_checked_and_named),
      HF_UNIT(changes_need_the_locations_leave_and_the_header),
      HF_UNIT(terminate_tells_the_proxy_at_once),
      HF_UNIT(session_lists_are_bounded_filtered_and_without_whole_ids),
      HF_UNIT(status_json_says_what_the_page_shows),
      HF_UNIT(the_page_runs_only_its_own_script_and_asks_nobody_else),
      HF_UNIT(metrics_are_prometheus_text_without_user_names),
      HF_UNIT(query_values_are_decoded),
  };
  return HF_RUN(tests);
}
