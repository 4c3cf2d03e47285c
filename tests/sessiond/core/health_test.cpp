// The counts of /health, the lists of sessions, and the contract's log lines.
#include "sessiond/core/health.h"

#include "sessiond/core/log_lines.h"
#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;
using std::chrono::minutes;

namespace {

link::Stats backends(bool a_up, bool b_up) {
  link::Stats stats;
  stats.backends.push_back({"everything", "10.0.0.1:80", a_up, 0, 0, 0});
  stats.backends.push_back({"everything", "10.0.0.2:80", b_up, 0, 0, 0});
  return stats;
}

}  // namespace

HF_TEST(health_counts_sessions_by_user_and_activity_but_not_reservations) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1), "zoe");
  rig.open(link, sid(2), "alice");
  rig.pass(minutes{9});
  rig.open(link, sid(3), "alice");
  rig.admit(link, sid(4), "bob");
  rig.clock.advance(minutes{1});  // the first two are idle for their timeout, nobody has looked yet
  const Health health = sessiond::health(rig.core, rig.clock.now());
  HF_EQ(health.total_count, 3u);
  HF_EQ(health.active_count, 1u);
  HF_EQ(health.by_user.size(), 2u);
  HF_EQ(health.by_user[0].first, "alice");
  HF_EQ(health.by_user[0].second, 2u);
  HF_EQ(health.by_user[1].first, "zoe");
}

HF_TEST(a_session_held_by_a_request_is_active_however_old) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.open(link, sid(1));
  rig.active(link, sid(1), std::chrono::hours{1}, 1);
  HF_EQ(sessiond::health(rig.core, rig.clock.now()).active_count, 1u);
}

HF_TEST(health_is_degraded_without_a_proxy_or_with_an_upstream_all_down) {
  Rig rig;
  const auto status = [&] { return sessiond::health(rig.core, rig.clock.now()).status; };
  HF_CHECK(status() == HealthStatus::degraded);
  const LinkId link = rig.hello("i1");
  HF_CHECK(status() == HealthStatus::ok);
  rig.say(link, backends(false, true));
  HF_CHECK(status() == HealthStatus::ok);
  rig.say(link, backends(false, false));
  HF_CHECK(status() == HealthStatus::degraded);
  rig.step(SetDrain{Token{1}, true});
  HF_CHECK(status() == HealthStatus::draining);
  HF_EQ(to_word(status()), "draining");
}

HF_TEST(lists_are_bounded_filtered_and_say_how_many_there_are) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  for (int i = 0; i < 10; ++i) rig.open(link, sid(i), i % 2 == 0 ? "even" : "odd");
  const SessionList all = list_sessions(rig.core, {}, 3, rig.clock.now());
  HF_EQ(all.matched_count, 10u);
  HF_EQ(all.sessions.size(), 3u);
  HF_EQ(all.sessions[0]->id->text(), sid(0));
  SessionFilter even;
  even.user = "even";
  HF_EQ(list_sessions(rig.core, even, 100, rig.clock.now()).sessions.size(), 5u);
}

HF_TEST(a_session_stands_as_its_state_streams_and_requests_say) {
  Rig rig;
  const LinkId link = rig.hello("i1");
  rig.admit(link, sid(1));
  const Session *const session = rig.core.table().find(sid(1));
  HF_EQ(to_word(standing_of(*session)), "opening");
  rig.bind(link, sid(1));
  HF_EQ(to_word(standing_of(*session)), "idle");
  rig.say(link, link::Opened{sid(1), 1, StreamKind::get});
  HF_EQ(to_word(standing_of(*session)), "streaming");
  rig.active(link, sid(1), Millis{0}, 1);
  HF_EQ(to_word(standing_of(*session)), "active");
  rig.step(ShutdownSession{Token{1}, sid(1)});
  HF_EQ(to_word(standing_of(*session)), "closing");
}

HF_TEST(the_contract_lines_are_verbatim) {
  HF_EQ(
      session_created_line("q0ZrAbCd", "user123", true),
      R"([SessionManager] session created {"sessionId":"q0ZrAbCd","userId":"user123","persistent":true})");
  HF_EQ(sessions_skipped_line(1),
        R"([SessionManager] skipped persistent sessions {"persistent":1})");
  HF_EQ(sessions_cleaned_line(3, 1),
        R"([SessionManager] expired sessions cleaned {"count":3,"persistent":1})");
  HF_EQ(session_deleted_line("q0ZrAbCd", EndReason::idle_timeout),
        R"([SessionManager] session deleted {"sessionId":"q0ZrAbCd","reason":"idle_timeout"})");
}

HF_TEST(no_user_name_can_forge_or_break_a_line) {
  HF_EQ(ascii_json_text("a\"b\\c"), R"("a\"b\\c")");
  HF_EQ(ascii_json_text(std::string_view("\n\0\x1b\x7f", 4)), R"("\u000a\u0000\u001b\u007f")");
  HF_EQ(ascii_json_text("Jos\xc3\xa9"), R"("Jos\u00e9")");
  HF_EQ(ascii_json_text("\xf0\x9f\x93\x8b"), R"("\ud83d\udccb")");
  HF_EQ(ascii_json_text("\xe2\x82\xac"), R"("\u20ac")");
  // Not UTF-8: a stray byte, an overlong slash, a surrogate, a truncated and a too large character.
  HF_EQ(ascii_json_text("\xff|\xc0\xaf|"), R"("\ufffd|\ufffd\ufffd|")");
  HF_EQ(ascii_json_text("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");
  HF_EQ(ascii_json_text("\xe2\x82"), R"("\ufffd\ufffd")");
  HF_EQ(ascii_json_text("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(health_counts_sessions_by_user_and_activity_but_not_reservations),
      HF_UNIT(a_session_held_by_a_request_is_active_however_old),
      HF_UNIT(health_is_degraded_without_a_proxy_or_with_an_upstream_all_down),
      HF_UNIT(lists_are_bounded_filtered_and_say_how_many_there_are),
      HF_UNIT(a_session_stands_as_its_state_streams_and_requests_say),
      HF_UNIT(the_contract_lines_are_verbatim),
      HF_UNIT(no_user_name_can_forge_or_break_a_line),
  };
  return HF_RUN(tests);
}
