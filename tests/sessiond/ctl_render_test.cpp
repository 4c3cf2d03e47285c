// How holdfastctl's answers look: columns, footers, KEY=VALUE, and names that cannot steer a
// terminal.
#include "sessiond/ctl/render.h"

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::ctl;
using namespace std::chrono_literals;

namespace {

JsonPtr json(std::string_view text) {
  auto value = json_parse(text);
  if (!value) HF_FAIL(value.error().message);
  return *std::move(value);
}

constexpr std::string_view kSession =
    R"({"id":"q0Zr1234","user":"alice","policy":"","transport":"streamable",)"
    R"("backend":"everything/h:1","state":"idle","age_ms":7380000,"idle_ms":5000,"requests":12,)"
    R"("in_flight":0,"streams":1,"persistent":true,"peer":"::1","client_name":"ide-1",)"
    R"("client_version":"1.0","node":"host"})";

}  // namespace

HF_TEST(durations_show_their_two_largest_units) {
  HF_EQ(short_duration(0ms), "0s");
  HF_EQ(short_duration(999ms), "0s");
  HF_EQ(short_duration(59s), "59s");
  HF_EQ(short_duration(190s), "3m10s");
  HF_EQ(short_duration(3600s), "1h");
  HF_EQ(short_duration(3605s), "1h");
  HF_EQ(short_duration(26h + 5min), "1d2h");
  HF_EQ(short_duration(-5s), "0s");
}

HF_TEST(sessions_are_listed_as_loginctl_lists_them) {
  const JsonPtr two = json("[" + std::string(kSession) + "," + std::string(kSession) + "]");
  HF_EQ(session_table(two.get(), true),
        "SESSION   USER   TRANSPORT   BACKEND         STATE  AGE   IDLE  REQS\n"
        "q0Zr1234  alice  streamable  everything/h:1  idle   2h3m  5s    12\n"
        "q0Zr1234  alice  streamable  everything/h:1  idle   2h3m  5s    12\n"
        "\n"
        "2 sessions listed.\n");
  HF_EQ(session_table(json("[" + std::string(kSession) + "]").get(), false),
        "q0Zr1234  alice  streamable  everything/h:1  idle  2h3m  5s  12\n");
  HF_EQ(session_table(json("[]").get(), true),
        "SESSION  USER  TRANSPORT  BACKEND  STATE  AGE  IDLE  REQS\n\n0 sessions listed.\n");
  HF_EQ(session_table(json("[]").get(), false), "");
}

HF_TEST(columns_count_characters_not_bytes) {
  const JsonPtr list = json(R"([{"id":"a","user":"äöü"},{"id":"b","user":"abcd"}])");
  const std::string text = session_table(list.get(), false);
  HF_CHECK(text.find("a  äöü         ") == 0);
  HF_CHECK(text.find("b  abcd        ") != std::string::npos);
}

HF_TEST(a_name_cannot_steer_the_terminal_or_forge_a_row) {
  HF_EQ(printable("a\x1b[2Jb\nc\x7f"), "a?[2Jb?c?");
  HF_EQ(printable("\xc2\x9b"
                  "31m"),
        "?31m");
  HF_EQ(printable("\xff"), "\xef\xbf\xbd");
  const JsonPtr list = json(R"([{"id":"a","user":"x\nroot \u001b[31m"}])");
  const std::string text = session_table(list.get(), false);
  HF_EQ(text.find('\n'), text.size() - 1);
  HF_EQ(text.find('\x1b'), std::string::npos);
}

HF_TEST(properties_are_key_value_lines) {
  const JsonPtr session = json(kSession);
  const std::string all = session_properties(session.get(), {}, false);
  HF_CHECK(all.starts_with("id=q0Zr1234\nuser=alice\npolicy=\n"));
  HF_CHECK(all.find("\npersistent=yes\n") != std::string::npos);
  HF_CHECK(all.find("\nage_ms=7380000\n") != std::string::npos);
  HF_EQ(session_properties(session.get(), {"state", "user"}, false), "user=alice\nstate=idle\n");
  HF_EQ(session_properties(session.get(), {"user"}, true), "alice\n");
  HF_EQ(session_properties(session.get(), {"nothing"}, false), "");
}

HF_TEST(details_are_for_people) {
  const std::string text = session_details(json(kSession).get());
  HF_CHECK(text.starts_with("q0Zr1234 - alice\n"));
  HF_CHECK(text.find("State: idle, persistent\n") != std::string::npos);
  HF_CHECK(text.find("Age: 2h3m\n") != std::string::npos);
  HF_CHECK(text.find("Client: ide-1 1.0\n") != std::string::npos);
  HF_EQ(text.find("Policy"), std::string::npos);  // the top-level one has no name
}

HF_TEST(status_shows_the_daemon_and_its_servers) {
  const JsonPtr info =
      json(R"({"Name":"holdfast-sessiond","Version":"0.1.0","Node":"h","Status":"ok","Pid":1,)"
           R"("Uptime":"5m","Generation":2,"Sessions":3,"ActiveSessions":2,"MaxSessions":100,)"
           R"("Users":1,"Streams":4,"Proxies":1})");
  const JsonPtr stat =
      json(R"([{"pxname":"holdfast","svname":"FRONTEND"},)"
           R"({"pxname":"up","svname":"h:1","status":"DOWN","scur":"1","req_tot":"9","eresp":"2"},)"
           R"({"pxname":"up","svname":"BACKEND"}])");
  const std::string text = status_text(info.get(), stat.get());
  HF_CHECK(text.find("Sessions: 3 of 100, 2 active\n") != std::string::npos);
  HF_CHECK(text.find("up        h:1     DOWN   1         9     2\n") != std::string::npos);
  HF_EQ(text.find("FRONTEND"), std::string::npos);
}

HF_TEST(reload_names_every_daemon) {
  const JsonPtr outcome =
      json(R"({"ok":false,"sessiond":{"ok":true,"message":"applied"},)"
           R"("proxies":[{"node":"n","pid":7,"state":"failed","message":"proxy.conf:3:1 bad"}]})");
  HF_EQ(reload_text(outcome.get()),
        "sessiond: applied\nproxy n (pid 7): failed: proxy.conf:3:1 bad\n");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(durations_show_their_two_largest_units),
      HF_UNIT(sessions_are_listed_as_loginctl_lists_them),
      HF_UNIT(columns_count_characters_not_bytes),
      HF_UNIT(a_name_cannot_steer_the_terminal_or_forge_a_row),
      HF_UNIT(properties_are_key_value_lines),
      HF_UNIT(details_are_for_people),
      HF_UNIT(status_shows_the_daemon_and_its_servers),
      HF_UNIT(reload_names_every_daemon),
  };
  return HF_RUN(tests);
}
