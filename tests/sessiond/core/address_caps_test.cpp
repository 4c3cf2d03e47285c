// Caps per client address: what one address is, whom the cap binds, who goes for evict_idle, and
// that nothing is left of an address whose sessions are over.
#include "sessiond/core/client_address.h"
#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;
using std::chrono::minutes;

namespace {

Settings per_address(uint64_t cap) {
  Settings settings = expiring();
  settings.top.max_sessions_per_address = cap;
  return settings;
}

void admit_from(Rig &rig, LinkId link, int n, const std::string &peer,
                const std::string &user = "-", const std::string &policy = "") {
  rig.admit(link, sid(n), user, Transport::streamable, policy, peer);
}

// Binds it at once.
void open_from(Rig &rig, LinkId link, int n, const std::string &peer,
               const std::string &user = "-") {
  admit_from(rig, link, n, peer, user);
  rig.bind(link, sid(n));
}

}  // namespace

HF_TEST(an_address_is_an_ipv4_address_or_the_64_of_an_ipv6_one) {
  const struct {
    const char *peer;
    const char *network;
  } cases[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
      {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
      {"2001:db8:1:2::", "2001:db8:1:2::/64"},
      {"::1", "::/64"},
      {"fe80::1%eth0", "fe80::/64"},
      {"unix:", ""},
      {"", ""},
      {"192.0.2", ""},
  };
  for (const auto &c : cases) HF_EQ(client_network(c.peer), std::string(c.network));
}

HF_TEST(the_cap_binds_each_address_and_nobody_without_one) {
  Rig rig(per_address(2));
  const LinkId link = rig.hello("i1");
  admit_from(rig, link, 1, "192.0.2.1");
  admit_from(rig, link, 2, "::ffff:192.0.2.1", "alice");
  admit_from(rig, link, 3, "192.0.2.2");
  for (int i = 10; i < 15; ++i) admit_from(rig, link, i, "unix:");
  HF_EQ(rig.take<link::Admitted>(link).size(), 8u);
  admit_from(rig, link, 4, "192.0.2.1", "bob");
  const auto refused = rig.take<link::Refused>(link);
  HF_EQ(refused.size(), 1u);
  HF_CHECK(refused[0].reason == RefuseReason::max_sessions_per_address);
  HF_EQ(rig.core.counters().refused[static_cast<size_t>(RefuseReason::max_sessions_per_address)],
        1u);
}

HF_TEST(hosts_of_one_64_share_the_cap_and_those_of_another_do_not) {
  Rig rig(per_address(1));
  const LinkId link = rig.hello("i1");
  admit_from(rig, link, 1, "2001:db8:1:2::1");
  admit_from(rig, link, 2, "2001:db8:1:2:ffff::2");
  admit_from(rig, link, 3, "2001:db8:1:3::1");
  HF_EQ(rig.take<link::Admitted>(link).size(), 2u);
  HF_EQ(rig.take<link::Refused>(link).at(0).session, sid(2));
}

HF_TEST(a_policys_cap_per_address_counts_its_own_in_addition) {
  Settings settings = per_address(3);
  Policy team = settings.top;
  team.max_sessions_per_address = 1;
  settings.policies.push_back({"team", team});
  Rig rig(settings);
  const LinkId link = rig.hello("i1", "node", {"team"});
  admit_from(rig, link, 1, "192.0.2.1", "-", "team");
  admit_from(rig, link, 2, "192.0.2.1");
  HF_EQ(rig.take<link::Admitted>(link).size(), 2u);
  admit_from(rig, link, 3, "192.0.2.1", "-", "team");
  admit_from(rig, link, 4, "192.0.2.2", "-", "team");
  HF_EQ(rig.take<link::Admitted>(link).at(0).session, sid(4));
  HF_EQ(rig.take<link::Refused>(link).at(0).session, sid(3));
}

HF_TEST(an_address_is_forgotten_with_its_last_session) {
  Rig rig(per_address(1));
  const LinkId link = rig.hello("i1");
  open_from(rig, link, 1, "192.0.2.1");
  HF_EQ(rig.core.table().address_count(), 1u);
  rig.ended(link, sid(1), EndReason::client_delete);
  HF_EQ(rig.core.table().address_count(), 0u);
  admit_from(rig, link, 2, "192.0.2.1");
  rig.say(link, link::Released{sid(2), ReleaseReason::backend_refused});
  HF_EQ(rig.core.table().address_count(), 0u);
  rig.take<link::Admitted>(link);
  admit_from(rig, link, 3, "192.0.2.1");
  HF_EQ(rig.take<link::Admitted>(link).size(), 1u);
}

HF_TEST(for_a_full_address_only_its_own_sessions_may_go_the_users_first) {
  Settings settings = per_address(2);
  settings.top.timeout = std::chrono::hours{1};
  settings.top.at_capacity = AtCapacity::evict_idle;
  Rig rig(settings);
  const LinkId link = rig.hello("i1");
  open_from(rig, link, 1, "192.0.2.9", "alice");  // the longest idle, and elsewhere
  rig.pass(minutes{1});
  open_from(rig, link, 2, "192.0.2.1", "bob");
  rig.pass(minutes{1});
  open_from(rig, link, 3, "192.0.2.1", "alice");
  rig.pass(minutes{10});
  admit_from(rig, link, 4, "192.0.2.1", "alice");
  HF_EQ(rig.take<link::DropIfIdle>(link).at(0).session, sid(3));
  rig.alive(link, sid(3), Millis{0});
  HF_EQ(rig.take<link::DropIfIdle>(link).at(0).session, sid(2));
  rig.ended(link, sid(2), EndReason::capacity);
  HF_CHECK(rig.holds(sid(4)) && rig.holds(sid(1)));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_address_is_an_ipv4_address_or_the_64_of_an_ipv6_one),
      HF_UNIT(the_cap_binds_each_address_and_nobody_without_one),
      HF_UNIT(hosts_of_one_64_share_the_cap_and_those_of_another_do_not),
      HF_UNIT(a_policys_cap_per_address_counts_its_own_in_addition),
      HF_UNIT(an_address_is_forgotten_with_its_last_session),
      HF_UNIT(for_a_full_address_only_its_own_sessions_may_go_the_users_first),
  };
  return HF_RUN(tests);
}
