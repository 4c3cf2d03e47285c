// The admin commands about servers of upstreams: what they say, who may, and HAProxy's forms.
#include <optional>

#include "common/json.h"
#include "common/log.h"
#include "sessiond/admin_commands.h"
#include "tests/support/fake_service.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using holdfast::test::FakeService;

namespace {

constexpr AdminPeer kRoot{AdminLevel::admin, 0, 1};

std::string ask(FakeService &service, std::string_view line, AdminPeer peer = kRoot) {
  std::optional<AdminAnswer> answer;
  auto commands = split_admin_line(line);
  if (!commands || commands->size() != 1) HF_FAIL("not one command: " + std::string(line));
  run_admin_command(service, peer, commands->front(),
                    [&answer](AdminAnswer given) { answer = std::move(given); });
  if (!answer) HF_FAIL("no answer to " + std::string(line));
  return answer->text;
}

// Two servers of "tools", one of "other"; the second is down, the third drained.
void tell_servers(FakeService &service) {
  link::BackendInfo a{"tools", "h:1", true, 3, 10, 0};
  a.weight = 2;
  a.check = "ok";
  a.changed_ms = 61'000;
  link::BackendInfo b{"tools", "h:2", false, 0, 5, 5};
  b.weight = 1;
  b.check = "refused";
  link::BackendInfo c{"other", "h:3", true, 1, 1, 0};
  c.state = ServerState::drain;
  c.weight = 1;
  service.from_proxy(link::Stats{{}, {a, b, c}});
}

struct Rig {
  Rig() {
    service.link_proxy();
    tell_servers(service);
  }
  FakeService service;
};

}  // namespace

HF_TEST(show_servers_state_has_haproxys_columns) {
  Rig rig;
  HF_EQ(ask(rig.service, "show servers state"),
        "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
        "srv_iweight srv_time_since_last_change\n"
        "1 other 1 h:3 h:3 3 8 1 1 0\n"
        "2 tools 1 h:1 h:1 2 0 2 2 61\n"
        "2 tools 2 h:2 h:2 0 0 1 1 0\n");
  HF_CHECK(ask(rig.service, "show servers state tools").find("other") == std::string::npos);
  HF_CHECK(ask(rig.service, "show servers state none").starts_with("error: [not_found]"));
  HF_CHECK(ask(rig.service, "show servers").starts_with("error: [usage]"));
}

HF_TEST(show_backend_names_the_upstreams) {
  Rig rig;
  HF_EQ(ask(rig.service, "show backend"), "# name\nother\ntools\n");
  HF_EQ(ask(rig.service, "show backend json"), "[\"other\",\"tools\"]\n");
}

HF_TEST(show_servers_json_tells_status_check_and_sessions) {
  Rig rig;
  const auto servers = json_parse(ask(rig.service, "show servers state json"));
  HF_CHECK(servers);
  const auto word = [&](size_t i, const char *key) {
    return json_get_text(json_array_get(servers->get(), i), key).value_or("");
  };
  HF_EQ(word(0, "status"), std::string("drain"));
  HF_EQ(word(1, "status"), std::string("up"));
  HF_EQ(word(2, "status"), std::string("down"));
  HF_EQ(word(2, "check"), std::string("refused"));
  HF_EQ(json_get_int(json_array_get(servers->get(), 1), "sessions").value_or(-1), 3);
}

HF_TEST(set_server_tells_the_proxy_and_says_what_it_did) {
  Rig rig;
  HF_EQ(ask(rig.service, "set server tools/h:1 state maint"), "server tools/h:1 state maint\n");
  const auto *told = rig.service.last_sent<link::SetServer>();
  HF_CHECK(told != nullptr);
  HF_EQ(told->server, std::string("tools/h:1"));
  HF_CHECK(told->state == ServerState::maint);
  HF_EQ(ask(rig.service, "set server tools/h:2 weight 0 json"),
        "{\"server\":\"tools/h:2\",\"set\":\"weight 0\"}\n");
  HF_EQ(rig.service.last_sent<link::SetServer>()->weight.value_or(-1), 0);
}

HF_TEST(set_server_refuses_what_makes_no_sense) {
  Rig rig;
  HF_CHECK(ask(rig.service, "set server tools/h:9 state drain").starts_with("error: [not_found]"));
  HF_CHECK(ask(rig.service, "set server tools/h:1 state off").starts_with("error: [usage]"));
  HF_CHECK(ask(rig.service, "set server tools/h:1 weight 65536").starts_with("error: [usage]"));
  HF_CHECK(ask(rig.service, "set server tools/h:1 weight -1").starts_with("error: [usage]"));
  HF_CHECK(ask(rig.service, "set server tools/h:1 colour red").starts_with("error: [usage]"));
  HF_CHECK(ask(rig.service, "set server tools/h:1 state").starts_with("error: [usage]"));
  HF_CHECK(ask(rig.service, "set server tools/h:1 state drain", {AdminLevel::user, 1000, 1})
               .starts_with("error: [denied]"));
  HF_CHECK(rig.service.last_sent<link::SetServer>() == nullptr);
  HF_CHECK(!ask(rig.service, "set server tools/h:1 state drain", {AdminLevel::operate, 1000, 1})
                .starts_with("error"));
}

HF_TEST(what_takes_no_sessions_makes_health_degraded) {
  Rig rig;  // the only server of "other" is drained
  HF_CHECK(ask(rig.service, "show health").find("\"degraded\"") != std::string::npos);
  link::BackendInfo gone{"other", "h:3", false, 1, 1, 0};
  gone.removed = true;  // what nobody configures any more is nobody's worry
  rig.service.from_proxy(link::Stats{{}, {{"tools", "h:1", true, 0, 0, 0}, gone}});
  HF_CHECK(ask(rig.service, "show health").find("\"ok\"") != std::string::npos);
  const auto servers = json_parse(ask(rig.service, "show servers state other json"));
  HF_EQ(json_get_text(json_array_get(servers->get(), 0), "status").value_or(""),
        std::string("removed"));
}

int main() {
  (void)log_open("stderr", LogLevel::error);  // ignoring: stderr always opens
  const CMUnitTest tests[] = {
      HF_UNIT(show_servers_state_has_haproxys_columns),
      HF_UNIT(show_backend_names_the_upstreams),
      HF_UNIT(show_servers_json_tells_status_check_and_sessions),
      HF_UNIT(set_server_tells_the_proxy_and_says_what_it_did),
      HF_UNIT(set_server_refuses_what_makes_no_sense),
      HF_UNIT(what_takes_no_sessions_makes_health_degraded),
  };
  return HF_RUN(tests);
}
