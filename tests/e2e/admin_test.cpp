// The admin socket and holdfastctl: a person sees what is there and can end it, and is told clearly
// when that is not possible.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

std::string handle(const StreamableClient &client) { return client.session().substr(0, 8); }

void check_contains(const std::string &text, std::string_view part) {
  if (text.find(part) == std::string::npos) {
    HF_FAIL("\"" + std::string(part) + "\" is not in:\n" + text);
  }
}

void check_exit(const Finished &finished, int code) {
  if (finished.exit == Exit{false, code}) return;
  HF_FAIL("exit " + std::to_string(finished.exit.code) + ", not " + std::to_string(code) + ":\n" +
          finished.out + finished.err);
}

}  // namespace

HF_TEST(help_lists_the_commands_and_a_typo_gets_a_suggestion) {
  const Pair pair;
  const std::string help = pair.admin("help");
  for (const char *command : {"show info", "show sess", "show stat", "shutdown session",
                              "set session", "drain", "reload", "quit"}) {
    check_contains(help, command);
  }
  const std::string typo = pair.admin("shwo info");
  HF_CHECK(typo.starts_with("error: "));
  check_contains(typo, "show info");
}

HF_TEST(show_info_and_stat_speak_haproxys_language) {
  const Pair pair;
  const std::string info = pair.admin("show info");
  check_contains(info, "Version: 0.");
  check_contains(info, "Uptime_sec: ");
  check_contains(info, "Sessions: 0");
  HF_EQ(pair.admin_json("show info json")["Sessions"].dump(), "0");
  const std::string server = "127.0.0.1:" + std::to_string(pair.backend_port());
  HF_CHECK(pair.admin("show stat").starts_with("# pxname,svname,"));
  HF_CHECK(eventually([&] { return pair.admin("show stat").find(server) != std::string::npos; }));
  HF_CHECK(pair.admin_json("show stat json").size() > 0);
}

HF_TEST(show_sess_shows_handles_and_never_whole_ids) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  const std::string text = pair.admin("show sess");
  check_contains(text, handle(client));
  HF_CHECK(text.find(client.session()) == std::string::npos);
  const Json sessions = pair.admin_json("show sess json");
  HF_EQ(sessions.size(), 1U);
  HF_CHECK(sessions.dump().find(client.session()) == std::string::npos);
  HF_EQ(sessions[size_t{0}]["user"].text(), "-");
  HF_EQ(sessions[size_t{0}]["transport"].text(), "streamable");
  check_contains(pair.admin("show sess " + handle(client)), "hf-test");  // the client's name
}

HF_TEST(explain_says_which_rule_keeps_a_session_and_why_it_ended) {
  PairOptions options;
  options.sessiond = "max_sessions 7;";
  const Pair pair(options);
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  const Finished alive = pair.ctl({"explain", handle(client)});
  check_exit(alive, 0);
  check_contains(alive.out, "persistent: no");
  check_contains(alive.out, "max_sessions 7 (");
  check_contains(alive.out, "sessiond.conf:5)");
  check_contains(alive.out, "ends_by: session_timeout 1h (default)");
  HF_CHECK(!pair.admin("shutdown session " + handle(client)).starts_with("error"));
  const Finished ended = pair.ctl({"explain", handle(client)});
  check_exit(ended, 0);
  check_contains(ended.out, "reason: admin");
  HF_EQ(pair.admin_json("explain " + handle(client) + " json")["state"].text(), "ended");
  check_exit(pair.ctl({"explain", "nobody"}), 4);
}

HF_TEST(shutdown_session_ends_it_cleanly_everywhere) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  SseClient stream = client.get();
  const std::string answer = pair.admin("shutdown session " + handle(client));
  HF_CHECK(!answer.starts_with("error"));
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  check_refusal(client.post(rpc("ping", "1")), 404, -32001, "1");
  HF_CHECK(eventually([&] { return pair.backend().state()["ended"].size() == 1; }));
  (void)pair.sessiond().wait_for_line("[SessionManager] session deleted {\"sessionId\":\"" +
                                      handle(client) + "\",\"reason\":\"admin\"}");
  HF_CHECK(pair.admin("shutdown session " + handle(client)).starts_with("error: [not_found]"));
}

HF_TEST(set_session_persistent_is_seen_at_once) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  HF_EQ(pair.admin_json("show sess json")[size_t{0}]["persistent"].boolean(), true);
  HF_CHECK(!pair.admin("set session " + handle(client) + " persistent off").starts_with("error"));
  HF_EQ(pair.admin_json("show sess json")[size_t{0}]["persistent"].boolean(), false);
  HF_CHECK(pair.admin("set session nosuchid persistent on").starts_with("error: [not_found]"));
}

HF_TEST(drain_refuses_the_new_and_serves_the_old) {
  const Pair pair;
  StreamableClient old(pair.proxy_port());
  old.open();
  HF_CHECK(!pair.admin("drain on").starts_with("error"));
  StreamableClient late(pair.proxy_port());
  const Response refused = late.initialize("4");
  check_refusal(refused, 503, -32000, "4");
  HF_EQ(refused.count("Retry-After"), 1U);
  HF_EQ(old.post(rpc("ping", "1")).status, 200);
  HF_CHECK(!pair.admin("drain off").starts_with("error"));
  late.open();
}

HF_TEST(several_commands_share_a_line_and_prompt_keeps_the_connection) {
  const Pair pair;
  const std::string both = pair.admin("show info; show sess json");
  check_contains(both, "Version: ");
  check_contains(both, "[]");
  Connection connection = Connection::unix_socket(pair.dir().file("admin.sock"));
  connection.send("prompt\n");
  for (int i = 0; i < 2; ++i) {
    connection.buffer().clear();
    connection.send("show version\n");
    while (connection.buffer().find("0.") == std::string::npos) HF_CHECK(connection.fill());
  }
  connection.send("quit\n");
  HF_CHECK(connection.wait_end() == PeerEnd::fin);
}

HF_TEST(garbage_on_the_admin_socket_hurts_nobody) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  Connection garbage = Connection::unix_socket(pair.dir().file("admin.sock"));
  garbage.send(std::string(7000, '\x01') + "\n");
  (void)garbage.wait_end();
  Connection endless = Connection::unix_socket(pair.dir().file("admin.sock"));
  size_t sent = 0;
  while (sent < 1'000'000) {
    const size_t n = endless.send_some(std::string(4096, 'x'));
    if (n == 0) break;
    sent += n;
  }
  Connection half = Connection::unix_socket(pair.dir().file("admin.sock"));
  half.send("show in");
  check_contains(pair.admin("show info"), "Sessions: 1");
  HF_CHECK(pair.sessiond().running());
  HF_EQ(client.post(rpc("ping", "1")).status, 200);
}

HF_TEST(ctl_lists_sessions_as_loginctl_would) {
  const Pair pair;
  const Finished none = pair.ctl({"list-sessions"});
  check_exit(none, 0);
  check_contains(none.out, "0 sessions listed.");
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  const Finished table = pair.ctl({"list-sessions"});
  check_exit(table, 0);
  HF_CHECK(table.out.starts_with("SESSION"));
  for (const char *column : {"USER", "TRANSPORT", "BACKEND", "STATE", "AGE", "IDLE", "REQS"}) {
    check_contains(table.out, column);
  }
  check_contains(table.out, handle(client));
  check_contains(table.out, "1 sessions listed.");
  const Finished bare = pair.ctl({"--no-legend", "list-sessions"});
  HF_CHECK(bare.out.find("SESSION") == std::string::npos);
  HF_CHECK(bare.out.find("listed") == std::string::npos);
  const Finished json = pair.ctl({"-o", "json", "list-sessions"});
  check_exit(json, 0);
  HF_EQ(Json{json.out}.size(), 1U);
}

HF_TEST(ctl_terminates_and_its_exit_codes_say_what_happened) {
  Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  check_exit(pair.ctl({"session-status", handle(client)}), 0);
  check_exit(pair.ctl({"terminate-session", handle(client)}), 0);
  check_refusal(client.post(rpc("ping", "1")), 404, -32001, "1");
  check_exit(pair.ctl({"terminate-session", "nosuchid"}), 4);
  check_exit(pair.ctl({"list-sesions"}), 2);
  check_exit(pair.ctl({"terminate-session"}), 2);
  check_exit(pair.ctl({"health"}), 0);
  pair.kill_sessiond();
  const Finished away = pair.ctl({"list-sessions"});
  check_exit(away, 3);
  check_contains(away.err, "admin.sock");
  HF_EQ(away.out, "");
}

HF_TEST(ctl_goes_on_after_a_failure_and_a_prefix_names_a_session) {
  const Pair pair;
  StreamableClient client(pair.proxy_port());
  client.open();
  pair.wait_created();
  check_exit(pair.ctl({"terminate-session", "nosuchid", client.session().substr(0, 5)}), 4);
  pair.wait_sessions(0);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(help_lists_the_commands_and_a_typo_gets_a_suggestion),
      HF_UNIT(show_info_and_stat_speak_haproxys_language),
      HF_UNIT(show_sess_shows_handles_and_never_whole_ids),
      HF_UNIT(explain_says_which_rule_keeps_a_session_and_why_it_ended),
      HF_UNIT(shutdown_session_ends_it_cleanly_everywhere),
      HF_UNIT(set_session_persistent_is_seen_at_once),
      HF_UNIT(drain_refuses_the_new_and_serves_the_old),
      HF_UNIT(several_commands_share_a_line_and_prompt_keeps_the_connection),
      HF_UNIT(garbage_on_the_admin_socket_hurts_nobody),
      HF_UNIT(ctl_lists_sessions_as_loginctl_would),
      HF_UNIT(ctl_terminates_and_its_exit_codes_say_what_happened),
      HF_UNIT(ctl_goes_on_after_a_failure_and_a_prefix_names_a_session),
  };
  return HF_RUN(tests);
}
