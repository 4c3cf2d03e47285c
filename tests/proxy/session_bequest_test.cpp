// The sessions that go from one serving process to the one that takes over: which, to whom they
// answer there, and that lines that are none do no harm.
#include "proxy/session_bequest.h"

#include <algorithm>

#include "tests/proxy/registry_fixture.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using namespace holdfast::proxy::test;

namespace {

const std::string kLegacy = "l0ZrAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const std::string kListen = "n0ZrAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct Side : RegistryFixture {
  BackendDirectory backends;
  LegacyGuests guests;
  SessionBequest bequest{registry, backends, guests};
  std::vector<ExchangeRef> came;

  explicit Side(const std::string &backend = "everything/127.0.0.1:3001") {
    Backend known;
    known.name = backend;
    (void)backends.intern(known);
  }
  void take(const std::string &lines) {
    bequest.take(lines, [this](const ExchangeRef &exchange) { came.push_back(exchange); });
  }
};

// One of each transport.
struct Old : Side {
  Old() {
    bind(kLegacy, Transport::sse);
    bind(kListen, Transport::listen);
  }
};

// A process that has begun, with no session yet.
struct Fresh : Side {
  explicit Fresh(const std::string &backend = "everything/127.0.0.1:3001") : Side(backend) {
    HF_CHECK(registry.end(kId, EndReason::client_delete));
  }
};

size_t lines_count(const std::string &lines) {
  return static_cast<size_t>(std::count(lines.begin(), lines.end(), '\n'));
}

}  // namespace

HF_TEST(where_sessiond_tells_the_others_only_legacy_sessions_are_told) {
  Old old;
  old.bequest.set_sessiond(true);
  HF_EQ(lines_count(old.bequest.all()), 1U);
  HF_EQ(old.bequest.one(kId), "");
  HF_EQ(old.bequest.one(kLegacy), old.bequest.all());
  HF_EQ(old.bequest.one(kListen), "");
  HF_EQ(old.bequest.one("no such session"), "");
}

HF_TEST(a_legacy_session_is_a_guest_of_its_own_user_and_passed_on) {
  Old old;
  Fresh heir;
  heir.take(old.bequest.all());
  const auto home = heir.guests.find(kLegacy, kAlice);
  HF_CHECK(home);
  HF_EQ(home->backend, BackendId{0});
  HF_EQ(home->endpoint, "b-" + kLegacy);
  HF_CHECK(!heir.guests.find(kLegacy, "mallory"));
  HF_CHECK(!heir.guests.find(kId, kAlice));
  HF_CHECK(!heir.registry.knows(kLegacy, kAlice));  // the books are the old one's
  Fresh next;
  next.take(heir.bequest.all());
  HF_CHECK(next.guests.find(kLegacy, kAlice));
  next.guests.clear();
  HF_CHECK(!next.guests.find(kLegacy, kAlice));
}

HF_TEST(without_sessiond_streamable_sessions_go_over_and_who_awaits_one_is_told) {
  Old old;
  old.bequest.set_sessiond(false);
  const std::string other(32, 'o');
  old.bind(other);
  Fresh heir;
  heir.registry.await(other, kFirst);
  heir.take(old.bequest.all());
  HF_CHECK(heir.registry.knows(other, kAlice));
  HF_CHECK(!heir.registry.knows(other, "mallory"));
  HF_EQ(heir.came.size(), 1U);
  HF_CHECK(heir.came[0] == kFirst);
  HF_CHECK(!heir.registry.knows(kId, kAlice));  // its client has ended it here already
  HF_CHECK(!heir.registry.knows(kListen, kAlice));
}

HF_TEST(what_is_no_session_or_has_no_backend_any_more_is_left_out) {
  Old old;
  Fresh elsewhere("other/127.0.0.1:3002");
  elsewhere.take(old.bequest.all());
  HF_CHECK(!elsewhere.guests.find(kLegacy, kAlice));
  Fresh heir;
  const std::string line = old.bequest.one(kLegacy);
  heir.take("garbage\n\n{\"t\":\"ping\",\"n\":1}\n" + line + line.substr(0, line.size() / 2));
  HF_CHECK(heir.guests.find(kLegacy, kAlice));
  HF_EQ(heir.guests.all().size(), 1U);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(where_sessiond_tells_the_others_only_legacy_sessions_are_told),
      HF_UNIT(a_legacy_session_is_a_guest_of_its_own_user_and_passed_on),
      HF_UNIT(without_sessiond_streamable_sessions_go_over_and_who_awaits_one_is_told),
      HF_UNIT(what_is_no_session_or_has_no_backend_any_more_is_left_out),
  };
  return HF_RUN(tests);
}
