// What clients are told of their session's life: for how long it may be idle while it lives, and
// why it is over when they come back to it.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr const char *kTtl = "Holdfast-Session-Ttl";

PairOptions with(std::string sessiond, std::string location = {}) {
  PairOptions options;
  options.sessiond = std::move(sessiond);
  options.location = "session_user header X-User;" + std::move(location);
  return options;
}

StreamableClient user(const Pair &pair, const char *name) {
  return StreamableClient(pair.proxy_port(), "/mcp", {{"X-User", name}});
}

std::string ttl_of(const Response &response) {
  HF_CHECK(response.count(kTtl) <= 1);
  return std::string(response.header(kTtl).value_or("(absent)"));
}

// The reason in the refusal of a request on the client's id.
std::string reason_of(const StreamableClient &client) {
  const Response response = client.post(rpc("ping", "7"));
  check_refusal(response, 404, -32001, "7");
  return Json{response.body}["error"]["data"]["reason"].text();
}

}  // namespace

HF_TEST(answers_tell_for_how_long_a_session_may_be_idle) {
  const Pair pair(with("session_timeout 30m; max_sessions 9;"));
  StreamableClient client = user(pair, "a");
  HF_EQ(ttl_of(client.initialize()), "1800");
  HF_EQ(ttl_of(client.post(tool_call("1", "clock"))), "1800");
  HF_EQ(std::string(client.get().head().header(kTtl).value_or("")), "1800");
  // A refusal and an answer outside of sessions say nothing.
  HF_EQ(ttl_of(fetch(pair.proxy_port(), {"GET", "/health", {}, {}})), "(absent)");
  HF_EQ(client.remove().status / 100, 2);
  HF_EQ(ttl_of(client.post(rpc("ping", "1"))), "(absent)");
}

HF_TEST(a_persistent_session_says_so_until_an_admin_says_otherwise) {
  const Pair pair(with("session_timeout 30m;"));
  StreamableClient client = user(pair, "a");
  client.open();
  HF_EQ(ttl_of(client.post(rpc("ping", "1"))), "persistent");
  pair.wait_created();
  (void)pair.admin("set session " + client.session().substr(0, 8) + " persistent off");
  HF_CHECK(eventually([&] { return ttl_of(client.post(rpc("ping", "1"))) == "1800"; }));
}

HF_TEST(the_header_can_be_switched_off) {
  const Pair pair(with("", "session_ttl_header off;"));
  StreamableClient client = user(pair, "a");
  HF_EQ(ttl_of(client.initialize()), "(absent)");
  HF_EQ(ttl_of(client.post(rpc("ping", "1"))), "(absent)");
}

HF_TEST(a_client_is_told_why_its_session_is_over) {
  const Pair pair(with("session_timeout 600ms; session_cleanup_interval 50ms; max_sessions 9;"));
  StreamableClient expired = user(pair, "a");
  expired.open();
  HF_CHECK(expired.get().wait_end() == BodyEnd::framed);
  HF_EQ(reason_of(expired), "idle_timeout");
  // Also where there is no body to take an id from.
  const Response removal = expired.remove();
  check_refusal(removal, 404, -32001, "null");
  HF_EQ(Json{removal.body}["error"]["data"]["reason"].text(), "idle_timeout");
  // For anybody else it never was.
  StreamableClient thief = user(pair, "b");
  thief.set_session(expired.session());
  HF_EQ(reason_of(thief), "unknown");
  StreamableClient forger = user(pair, "a");
  forger.set_session("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
  HF_EQ(reason_of(forger), "unknown");
}

HF_TEST(an_admins_word_a_lost_backend_and_want_of_room_are_told_apart) {
  Pair pair(with("max_sessions 1; at_capacity evict_idle; evict_grace 100ms;"));
  StreamableClient a = user(pair, "a");
  a.open();
  pair.wait_created(1);
  HF_CHECK(!pair.admin("shutdown session " + a.session().substr(0, 8)).starts_with("error"));
  HF_EQ(reason_of(a), "admin");

  StreamableClient b = user(pair, "b");
  b.open();
  SseClient stream = b.get();
  HF_CHECK(!stream.poll(Millis{200}));  // beyond the grace
  StreamableClient c = user(pair, "c");
  c.open();
  HF_CHECK(stream.wait_end() == BodyEnd::framed);
  HF_EQ(reason_of(b), "capacity");

  (void)pair.backend().tell("forget");
  HF_EQ(c.post(rpc("ping", "1")).status, 404);  // the backend's own
  HF_EQ(reason_of(c), "backend_lost");
}

HF_TEST(a_refused_initialize_says_which_limit_it_met) {
  Pair pair(with("max_sessions_per_user 1;"));
  StreamableClient first = user(pair, "a");
  StreamableClient second = user(pair, "a");
  first.open();
  const Response refused = second.initialize("2");
  check_refusal(refused, 503, -32000, "2");
  HF_EQ(Json{refused.body}["error"]["data"]["reason"].text(), "max_sessions_per_user");
}

HF_TEST(a_reason_is_told_no_longer_than_tombstones_live) {
  Pair pair(with("tombstone_lifetime 100ms;"));
  StreamableClient client = user(pair, "a");
  client.open();
  pair.wait_created();
  (void)pair.admin("shutdown session " + client.session().substr(0, 8));
  HF_CHECK(eventually([&] { return reason_of(client) == "unknown"; }));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(answers_tell_for_how_long_a_session_may_be_idle),
      HF_UNIT(a_persistent_session_says_so_until_an_admin_says_otherwise),
      HF_UNIT(the_header_can_be_switched_off),
      HF_UNIT(a_client_is_told_why_its_session_is_over),
      HF_UNIT(an_admins_word_a_lost_backend_and_want_of_room_are_told_apart),
      HF_UNIT(a_refused_initialize_says_which_limit_it_met),
      HF_UNIT(a_reason_is_told_no_longer_than_tombstones_live),
  };
  return HF_RUN(tests);
}
