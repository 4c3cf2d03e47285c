// What `explain` says of sessions that live and of those that are over: every rule by its name,
// with the place it was written at.
#include "sessiond/session_explain.h"

#include "common/json.h"
#include "common/log.h"
#include "sessiond/admin_commands.h"
#include "tests/support/fake_service.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::test;
using namespace std::chrono_literals;

namespace {

const std::string kId = session_id("abcdefgh");

std::string ask(FakeService &service, const std::string &command = "explain abcd") {
  std::string answer;
  const AdminWords words = split_admin_line(command)->at(0);
  run_admin_command(service, {AdminLevel::user, 1000, 1}, words,
                    [&](const AdminAnswer &a) { answer = a.text; });
  return answer;
}

void check_says(const std::string &text, std::string_view part) {
  if (text.find(part) == std::string::npos) {
    HF_FAIL("\"" + std::string(part) + "\" is not in:\n" + text);
  }
}

Settings expiring() {
  Settings settings;
  settings.top.timeout = 1h;
  settings.top.max_sessions = 100;
  return settings;
}

// One open session of alice, with the place its cap was written at.
struct Explaining {
  explicit Explaining(const Settings &settings) : service(settings) {
    service.conf.settings = {
        {"", "max_sessions", "100", Origin::conf, "sessiond.conf:3"},
        {"", "session_timeout", "1h", Origin::environment, "SESSION_TIMEOUT"},
        {"", "persistent_mode", "on", Origin::env_file, ".env:2"},
        {"", "orphan_timeout", "2h", Origin::conf, "sessiond.conf:9"},
        {"", "unused_timeout", "5m", Origin::conf, "sessiond.conf:10"},
    };
    service.link_proxy();
    service.open_session(kId, "alice");
  }
  FakeService service;
};

}  // namespace

HF_TEST(an_expiring_session_says_by_which_rule_when_and_what_found_the_rule) {
  Explaining t(expiring());
  t.service.time.advance(12min);
  const std::string text = ask(t.service);
  check_says(text, "id: abcdefgh\n");
  check_says(text, "user: alice\n");
  check_says(text, "policy: the top-level policy\n");
  check_says(text, "persistent: no\n");
  check_says(text, "persistent_because: persistent_mode smart: max_sessions 100 (sessiond.conf:3)");
  check_says(text, "idle: 12m\n");
  check_says(text, "ends_by: session_timeout 1h (SESSION_TIMEOUT)\n");
  check_says(text, "ends_in: 48m\n");
  check_says(text, "found_within: 1m\n");
  HF_CHECK(text.find(kId) == std::string::npos);
  const auto json = json_parse(ask(t.service, "explain abcd json"));
  HF_CHECK(json_get_int(json->get(), "ends_in_ms") == 2'880'000);
  HF_CHECK(json_get_bool(json->get(), "persistent") == false);
}

HF_TEST(what_holds_a_session_is_named) {
  Explaining t(expiring());
  t.service.from_proxy(link::Activity{{{kId, 0, 1, 1}}});
  check_says(ask(t.service), "held_by: a request in flight\n");

  Settings keeping = expiring();
  keeping.top.stream_keeps_alive = true;
  Explaining kept(keeping);
  kept.service.from_proxy(link::Opened{kId, 7, StreamKind::get});
  check_says(ask(kept.service), "held_by: an open stream, with stream_keeps_alive on\n");
}

HF_TEST(a_persistent_session_says_who_wants_it_so) {
  Explaining smart{Settings{}};
  check_says(ask(smart.service), "persistent: yes\n");
  check_says(ask(smart.service), "without max_sessions a client is never cut off\n");
  check_says(ask(smart.service), "held_by: it is persistent\n");

  Settings on = expiring();
  on.top.persistent_mode = true;
  Explaining written(on);
  check_says(ask(written.service), "persistent_because: persistent_mode on (.env:2)\n");

  Explaining pinned(expiring());
  const Token token = pinned.service.new_token();
  pinned.service.submit(token, SetPersistent{token, kId, true}, [](const CommandDone &) {});
  check_says(ask(pinned.service), "an administrator said so: set session ID persistent on\n");
}

HF_TEST(orphan_and_unused_timeouts_are_named_where_they_come_first) {
  Settings orphans;
  orphans.top.orphan_timeout = 2h;
  Explaining orphan(orphans);
  orphan.service.time.advance(30min);
  check_says(ask(orphan.service), "ends_by: orphan_timeout 2h (sessiond.conf:9)\n");
  check_says(ask(orphan.service), "ends_in: 1h30m\n");
  orphan.service.from_proxy(link::Opened{kId, 7, StreamKind::get});
  check_says(ask(orphan.service), "held_by: it is persistent and has an open stream\n");

  Settings unused = expiring();
  unused.top.unused_timeout = 5min;
  Explaining never(unused);
  check_says(ask(never.service), "ends_by: unused_timeout 5m (sessiond.conf:10)\n");
}

HF_TEST(an_ended_session_says_why_and_when_until_its_tombstone_is_gone) {
  Settings settings = expiring();
  settings.tombstone_lifetime = 30min;
  Explaining t(settings);
  t.service.time.advance(20min);
  t.service.from_proxy(link::Ended{kId, EndReason::capacity, 300'000});
  t.service.time.advance(10min);
  const std::string text = ask(t.service, "explain abcdefgh");
  check_says(text, "state: ended\n");
  check_says(text, "reason: capacity\n");
  check_says(text, "because: ended to make room");
  check_says(text, "ended_ago: 10m\n");
  check_says(text, "lived: 20m\n");
  check_says(text, "idle_at_end: 5m\n");
  check_says(text, "forgotten_in: 20m\n");
  HF_CHECK(text.find(kId) == std::string::npos);
  check_says(ask(t.service, "show sess abcdefgh"), "it ended: capacity");
  t.service.tick(31min);
  check_says(ask(t.service), "error: [not_found]");
}

HF_TEST(texts_peers_chose_forge_no_lines) {
  FakeService service(expiring());
  service.link_proxy();
  service.open_session(kId, "eve\npersistent: yes");
  const std::string text = ask(service);
  HF_CHECK(text.find("\npersistent: yes") == std::string::npos);
  check_says(text, "user: \"eve\\");
}

HF_TEST(an_id_that_is_nobodys_or_too_short_is_told_so) {
  FakeService service;
  check_says(ask(service, "explain zzzz"), "error: [not_found]");
  check_says(ask(service, "explain zz"), "error: [usage]");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_expiring_session_says_by_which_rule_when_and_what_found_the_rule),
      HF_UNIT(what_holds_a_session_is_named),
      HF_UNIT(a_persistent_session_says_who_wants_it_so),
      HF_UNIT(orphan_and_unused_timeouts_are_named_where_they_come_first),
      HF_UNIT(an_ended_session_says_why_and_when_until_its_tombstone_is_gone),
      HF_UNIT(texts_peers_chose_forge_no_lines),
      HF_UNIT(an_id_that_is_nobodys_or_too_short_is_told_so),
  };
  return HF_RUN(tests);
}
