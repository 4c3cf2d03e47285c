// The admin commands against a real core and a proxy played by the test: answers, levels, errors,
// and commands that wait for the proxy.
#include "sessiond/admin_commands.h"

#include <optional>
#include <set>

#include "common/json.h"
#include "common/log.h"
#include "tests/support/fake_service.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using holdfast::test::FakeService;
using holdfast::test::session_id;
using namespace std::chrono_literals;

namespace {

constexpr AdminPeer kRoot{AdminLevel::admin, 0, 1};

// Starts a command; its answer appears in the result, perhaps later.
std::shared_ptr<std::optional<AdminAnswer>> start(FakeService &service, std::string_view line,
                                                  AdminPeer peer = kRoot) {
  auto answer = std::make_shared<std::optional<AdminAnswer>>();
  auto commands = split_admin_line(line);
  if (!commands || commands->size() != 1) HF_FAIL("not one command: " + std::string(line));
  run_admin_command(service, peer, commands->front(),
                    [answer](AdminAnswer given) { *answer = std::move(given); });
  return answer;
}

// The whole text of a command that answers at once.
std::string ask(FakeService &service, std::string_view line, AdminPeer peer = kRoot) {
  const auto answer = start(service, line, peer);
  if (!*answer) HF_FAIL("no answer to " + std::string(line));
  std::string text = (*answer)->text;
  while ((*answer)->more && (*answer)->more(text)) {
  }
  return text;
}

JsonPtr ask_json(FakeService &service, std::string_view line) {
  const std::string text = ask(service, line);
  HF_CHECK(text.ends_with("\n"));
  HF_EQ(text.find('\n'), text.size() - 1);  // one value on one line
  auto value = json_parse(text);
  if (!value) HF_FAIL(value.error().message + ": " + text);
  return *std::move(value);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

HF_TEST(every_command_is_helped_and_named_once) {
  FakeService service;
  const std::string help = ask(service, "help");
  std::set<std::string_view> names;
  for (const AdminCommand &row : admin_commands()) {
    HF_CHECK(contains(help, row.name));
    HF_CHECK(contains(help, row.help));
    HF_CHECK(names.insert(row.name).second);
    HF_CHECK(row.args_min <= row.args_max);
  }
  const std::string only = ask(service, "help shutdown");
  HF_CHECK(contains(only, "shutdown session"));
  HF_CHECK(!contains(only, "show"));
  HF_CHECK(ask(service, "help nothinglikeit").starts_with("error: [usage]"));
}

HF_TEST(help_lists_only_what_the_level_allows) {
  FakeService service;
  const std::string help = ask(service, "help", {AdminLevel::user, 1000, 1});
  HF_CHECK(contains(help, "show sess"));
  HF_CHECK(!contains(help, "shutdown"));
  HF_CHECK(!contains(help, "reload"));
}

HF_TEST(a_wrong_command_is_answered_with_what_was_meant) {
  FakeService service;
  HF_EQ(ask(service, "shwo sess"),
        "error: [usage] unknown command \"shwo sess\"; did you mean \"show sess\"?\n");
  HF_CHECK(contains(ask(service, "hlep"), "did you mean \"help\"?"));
  HF_CHECK(contains(ask(service, "levitate now"), "try help"));
  HF_CHECK(ask(service, "shutdown session").starts_with("error: [usage] usage: shutdown session"));
  HF_CHECK(ask(service, "show info extra").starts_with("error: [usage]"));
  // One word that reads like the two of a name; found by fuzzing, an assertion of sessiond.
  HF_CHECK(ask(service, "\"show info\"").starts_with("error: [usage] unknown command"));
}

HF_TEST(levels_are_checked_before_anything_is_done) {
  FakeService service;
  service.link_proxy();
  service.open_session(session_id("abcd"), "alice");
  const AdminPeer user{AdminLevel::user, 1000, 7};
  const AdminPeer operating{AdminLevel::operate, 1000, 7};
  HF_CHECK(ask(service, "shutdown session abcd", user).starts_with("error: [denied]"));
  HF_CHECK(ask(service, "reload", operating).starts_with("error: [denied]"));
  HF_CHECK(ask(service, "show sess full", operating).starts_with("error: [denied]"));
  HF_CHECK(service.last_sent<link::Drop>() == nullptr);
}

HF_TEST(show_sess_shows_handles_and_never_whole_ids_unless_asked) {
  FakeService service;
  service.link_proxy();
  const std::string id = session_id("abcdefgh1");
  service.open_session(id, "alice");
  service.time.advance(90s);
  const std::string list = ask(service, "show sess");
  HF_CHECK(list.starts_with("abcdefgh user=alice transport=streamable"));
  HF_CHECK(contains(list, "age=1m30s"));
  for (const char *command : {"show sess", "show sess json", "show sess abcd",
                              "show sess abcd json", "show info", "show stat", "show health"}) {
    const std::string text = ask(service, command);
    HF_CHECK(!contains(text, "abcdefgh1"));
    HF_CHECK(!contains(text, "backend-id"));
  }
  HF_CHECK(ask(service, "show sess full").starts_with(id));
}

HF_TEST(show_sess_filters) {
  FakeService service;
  service.link_proxy();
  service.open_session(session_id("aaaa"), "alice");
  service.open_session(session_id("bbbb"), "bob two");
  service.time.advance(10s);
  service.open_session(session_id("cccc"), "alice", Transport::sse);
  const auto count = [&](std::string_view command) {
    return json_array_size(ask_json(service, command).get());
  };
  HF_EQ(count("show sess json"), size_t{3});
  HF_EQ(count("show sess user alice json"), size_t{2});
  HF_EQ(count("show sess user \"bob two\" json"), size_t{1});
  HF_EQ(count("show sess user alice transport sse json"), size_t{1});
  HF_EQ(count("show sess backend everything json"), size_t{3});
  HF_EQ(count("show sess backend everything/127.0.0.1:3001 json"), size_t{3});
  HF_EQ(count("show sess backend other json"), size_t{0});
  HF_EQ(count("show sess idle_over 10s json"), size_t{2});
  HF_EQ(count("show sess state idle json"), size_t{3});
  HF_EQ(count("show sess state active json"), size_t{0});
  HF_CHECK(ask(service, "show sess state bored").starts_with("error: [usage]"));
  HF_CHECK(ask(service, "show sess transport tcp").starts_with("error: [usage]"));
  HF_CHECK(ask(service, "show sess idle_over 10q").starts_with("error: [usage]"));
  HF_CHECK(ask(service, "show sess user").starts_with("error: [usage]"));
  HF_CHECK(ask(service, "show sess user alice nonsense").starts_with("error: [usage]"));
}

HF_TEST(a_user_name_cannot_forge_a_line) {
  FakeService service;
  service.link_proxy();
  service.open_session(session_id("aaaa"), "x\nbbbbbbbb user=root");
  const std::string list = ask(service, "show sess");
  HF_EQ(list.find('\n'), list.size() - 1);
}

HF_TEST(ids_are_unique_beginnings_of_four_characters_or_more) {
  FakeService service;
  service.link_proxy();
  service.open_session(session_id("abcdefgh"), "alice");
  service.open_session(session_id("abcdzzzz"), "alice");
  HF_CHECK(contains(ask(service, "show sess abcde"), "id: abcdefgh"));
  const std::string ambiguous = ask(service, "show sess abcd");
  HF_CHECK(ambiguous.starts_with("error: [usage] abcd is ambiguous:"));
  HF_CHECK(contains(ambiguous, "abcdefgh") && contains(ambiguous, "abcdzzzz"));
  HF_CHECK(ask(service, "show sess abc").starts_with("error: [usage] abc is too short"));
  HF_EQ(ask(service, "show sess nope"), "error: [not_found] no session nope\n");
}

// DESIGN (e): the command completes on the proxy's `ended`.
HF_TEST(shutdown_session_waits_until_the_proxy_has_ended_it) {
  FakeService service;
  service.link_proxy();
  const std::string id = session_id("abcd");
  service.open_session(id, "alice");
  const auto answer = start(service, "shutdown session abcd");
  HF_CHECK(!*answer);
  const link::Drop *drop = service.last_sent<link::Drop>();
  HF_CHECK(drop != nullptr);
  HF_EQ(drop->session, id);
  HF_EQ(drop->reason, EndReason::admin);
  service.from_proxy(link::Ended{id, EndReason::admin, 5});
  HF_CHECK(answer->has_value());
  HF_EQ((*answer)->text, "1 session ended\n");
  HF_CHECK(contains(ask(service, "show sess " + id), "it ended: admin"));
}

HF_TEST(shutdown_session_says_pending_when_the_proxy_hangs) {
  FakeService service;
  service.link_proxy();
  service.open_session(session_id("abcd"), "alice");
  const auto answer = start(service, "shutdown session abcd json");
  service.tick(4900ms);
  HF_CHECK(!*answer);
  service.tick(200ms);
  HF_CHECK(answer->has_value());
  HF_EQ((*answer)->text, "{\"sessions\":1,\"ended\":0,\"pending\":1}\n");
}

HF_TEST(shutdown_sessions_of_a_user_ends_only_theirs) {
  FakeService service;
  service.link_proxy();
  service.open_session(session_id("aaaa"), "alice");
  service.open_session(session_id("bbbb"), "bob");
  service.open_session(session_id("cccc"), "alice");
  for (const char *command : {"shutdown sessions user alice", "shutdown user bob"}) {
    service.sent.clear();
    const auto answer = start(service, command);
    std::vector<std::string> dropped;
    for (const link::ToProxy &message : service.sent) {
      if (const auto *drop = std::get_if<link::Drop>(&message)) dropped.push_back(drop->session);
    }
    for (const std::string &session : dropped) {
      service.from_proxy(link::Ended{session, EndReason::admin, 1});
    }
    HF_CHECK(answer->has_value());
    HF_EQ((*answer)->text, dropped.size() == 2 ? "2 sessions ended\n" : "1 session ended\n");
  }
  HF_EQ(ask(service, "show sess"), "");
  HF_EQ(ask(service, "shutdown user nobody"), "0 sessions ended\n");
}

HF_TEST(set_session_pins_persistence_and_tells_the_proxy) {
  FakeService service;
  service.link_proxy();
  const std::string id = session_id("abcd");
  service.open_session(id, "alice");
  HF_EQ(ask(service, "set session abcd persistent off"), "session abcdxxxx persistent off\n");
  HF_CHECK(service.last_sent<link::Set>() != nullptr);
  HF_CHECK(!service.last_sent<link::Set>()->persistent);
  HF_CHECK(contains(ask(service, "show sess abcd"), "persistent: no"));
  HF_EQ(ask(service, "set session abcd persistent on json"),
        "{\"id\":\"abcdxxxx\",\"persistent\":true}\n");
  HF_CHECK(ask(service, "set session abcd persistent maybe").starts_with("error: [usage]"));
  HF_CHECK(ask(service, "set session abcd colour red").starts_with("error: [usage]"));
  HF_CHECK(ask(service, "set session nope persistent on").starts_with("error: [not_found]"));
}

HF_TEST(drain_is_switched_and_shown) {
  FakeService service;
  service.link_proxy();
  HF_CHECK(ask(service, "drain on").starts_with("draining: new"));
  HF_CHECK(service.last_sent<link::Drain>()->on);
  HF_CHECK(contains(ask(service, "show health"), "\"status\":\"draining\""));
  HF_EQ(ask(service, "drain off json"), "{\"draining\":false,\"exit\":false}\n");
  HF_CHECK(!service.last_sent<link::Drain>()->on);
  HF_CHECK(ask(service, "drain perhaps").starts_with("error: [usage]"));
  HF_CHECK(!service.last_sent<link::Drain>()->exit);
  HF_CHECK(
      ask(service, "drain exit", {AdminLevel::operate, 1000, 7}).starts_with("error: [denied]"));
  HF_CHECK(ask(service, "drain", {AdminLevel::operate, 1000, 7}).starts_with("error: [denied]"));
  HF_CHECK(ask(service, "drain exit").starts_with("draining: the proxies"));
  HF_CHECK(ask(service, "drain").starts_with("draining: the proxies"));
  HF_CHECK(service.last_sent<link::Drain>()->on && service.last_sent<link::Drain>()->exit);
}

HF_TEST(reload_reports_every_daemon) {
  FakeService service;
  service.reload_outcome = {true, "applied", {}};
  ProxyOutcome proxy;
  proxy.node = "node-a";
  proxy.pid = 4711;
  proxy.state = ProxyOutcome::State::ok;
  service.reload_outcome.proxies = {proxy};
  HF_EQ(ask(service, "reload"), "sessiond: applied\nproxy node-a (pid 4711): ok\n");
  service.reload_outcome.proxies[0].state = ProxyOutcome::State::failed;
  service.reload_outcome.proxies[0].message = "proxy.conf:3:1 bad\n\nproxy.conf:9:2 worse\n";
  const std::string failed = ask(service, "reload");
  HF_CHECK(failed.starts_with("error: [refused]"));
  HF_CHECK(contains(failed, "proxy.conf:9:2 worse"));
  HF_CHECK(!contains(failed, "\n\n"));  // an empty line would end the answer
  HF_CHECK(json_get_bool(ask_json(service, "reload json").get(), "ok") == false);
}

HF_TEST(show_info_and_health_count_what_is_there) {
  Settings settings;
  settings.top.max_sessions = 10;
  FakeService service(settings);
  service.link_proxy();
  service.open_session(session_id("aaaa"), "alice");
  service.open_session(session_id("bbbb"), "alice");
  service.from_proxy(link::Stats{{{"http_requests", 42}, {"connections_open", 3}}, {}});
  const JsonPtr info = ask_json(service, "show info json");
  HF_CHECK(json_get_int(info.get(), "Sessions") == 2);
  HF_CHECK(json_get_int(info.get(), "MaxSessions") == 10);
  HF_CHECK(json_get_int(info.get(), "CumReq") == 42);
  HF_CHECK(json_get_int(info.get(), "CurrConns") == 3);
  HF_CHECK(contains(ask(service, "show info"), "Sessions: 2\n"));
  const JsonPtr health = ask_json(service, "show health");
  const json_t *sessions = json_object_get(health.get(), "sessions");
  HF_CHECK(json_get_int(sessions, "total") == 2);
  HF_CHECK(json_get_int(sessions, "active") == 2);
  HF_CHECK(json_get_int(json_object_get(sessions, "byUser"), "alice") == 2);
}

HF_TEST(show_stat_is_haproxys_csv) {
  FakeService service;
  service.link_proxy();
  service.from_proxy(link::Stats{{{"http_requests", 42}, {"http_responses_5xx", 2}},
                                 {{"everything", "h:1", true, 1, 40, 2},
                                  {"everything", "h:2", false, 0, 2, 1},
                                  {"od,d", "h:3", false, 0, 0, 0}}});
  const std::string csv = ask(service, "show stat");
  HF_CHECK(csv.starts_with("# pxname,svname,scur,smax,slim,stot,"));
  HF_CHECK(contains(csv, "\nholdfast,FRONTEND,"));
  HF_CHECK(contains(csv, "\neverything,h:1,1,"));
  HF_CHECK(contains(csv, "\neverything,BACKEND,1,"));
  HF_CHECK(contains(csv, "\n\"od,d\",h:3,"));
  size_t commas = 0;
  size_t at = 0;
  const size_t header_commas = static_cast<size_t>(
      std::count(csv.begin(), csv.begin() + static_cast<long>(csv.find('\n')), ','));
  while ((at = csv.find("\neverything", at)) != std::string::npos) {
    const size_t end = csv.find('\n', ++at);
    commas = static_cast<size_t>(
        std::count(csv.begin() + static_cast<long>(at), csv.begin() + static_cast<long>(end), ','));
    HF_EQ(commas, header_commas);
  }
  HF_EQ(json_array_size(ask_json(service, "show stat json").get()), size_t{6});
}

HF_TEST(show_config_tells_where_a_setting_comes_from) {
  FakeService service;
  service.conf.settings = {{"", "max_sessions", "100", Origin::environment, "MAX_SESSIONS"},
                           {"team", "session_timeout", "5m", Origin::conf, "sessiond.conf:9"}};
  HF_EQ(ask(service, "show config"), "max_sessions 100;\npolicy team: session_timeout 5m;\n");
  HF_CHECK(contains(ask(service, "show config origin"),
                    "max_sessions 100;  # environment MAX_SESSIONS"));
  const JsonPtr json = ask_json(service, "show config json");
  HF_EQ(json_array_size(json.get()), size_t{2});
  HF_CHECK(json_get_text(json_array_get(json.get(), 0), "where") == "MAX_SESSIONS");
  HF_CHECK(ask(service, "show config orgin").starts_with("error: [usage]"));
}

// A list longer than one piece loses nothing and stays one JSON value, even when sessions end
// between two pieces.
HF_TEST(a_long_list_comes_in_pieces) {
  FakeService service;
  service.link_proxy();
  for (int i = 0; i < 2000; ++i) {
    service.open_session(session_id("s" + std::to_string(10'000 + i) + "_"), "alice");
  }
  const auto answer = start(service, "show sess json");
  std::string text;
  HF_CHECK((*answer)->more(text));
  HF_CHECK(text.size() < 100'000);
  service.from_proxy(link::Ended{session_id("s11999_"), EndReason::client_delete, 1});
  while ((*answer)->more(text)) {
  }
  const auto list = json_parse(text);
  HF_CHECK(list);
  HF_EQ(json_array_size(list->get()), size_t{1999});
  HF_EQ(ask(service, "show sess user nobody json"), "[]\n");
}

int main() {
  (void)log_open("stderr", LogLevel::error);  // ignoring: stderr always opens
  const CMUnitTest tests[] = {
      HF_UNIT(every_command_is_helped_and_named_once),
      HF_UNIT(help_lists_only_what_the_level_allows),
      HF_UNIT(a_wrong_command_is_answered_with_what_was_meant),
      HF_UNIT(levels_are_checked_before_anything_is_done),
      HF_UNIT(show_sess_shows_handles_and_never_whole_ids_unless_asked),
      HF_UNIT(show_sess_filters),
      HF_UNIT(a_user_name_cannot_forge_a_line),
      HF_UNIT(ids_are_unique_beginnings_of_four_characters_or_more),
      HF_UNIT(shutdown_session_waits_until_the_proxy_has_ended_it),
      HF_UNIT(shutdown_session_says_pending_when_the_proxy_hangs),
      HF_UNIT(shutdown_sessions_of_a_user_ends_only_theirs),
      HF_UNIT(set_session_pins_persistence_and_tells_the_proxy),
      HF_UNIT(drain_is_switched_and_shown),
      HF_UNIT(reload_reports_every_daemon),
      HF_UNIT(show_info_and_health_count_what_is_there),
      HF_UNIT(show_stat_is_haproxys_csv),
      HF_UNIT(show_config_tells_where_a_setting_comes_from),
      HF_UNIT(a_long_list_comes_in_pieces),
  };
  return HF_RUN(tests);
}
