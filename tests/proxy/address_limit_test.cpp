// Places per client address: given, refused, given back; IPv6 by network.
#include "proxy/address_limit.h"

#include <vector>

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

SocketAddress at(const char *ip, uint16_t port = 1000) {
  return SocketAddress::numeric(ip, port).value();
}

}  // namespace

HF_TEST(an_address_gets_so_many_places_and_another_its_own) {
  AddressLimit limit;
  std::vector<AddressLimit::Place> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(limit.enter(at("192.0.2.1", 1000), 3));
    HF_CHECK(held.back());
  }
  HF_CHECK(!limit.enter(at("192.0.2.1", 2000), 3));  // the port does not matter
  HF_CHECK(limit.enter(at("192.0.2.2", 1000), 3));
  held.pop_back();
  HF_CHECK(limit.enter(at("192.0.2.1", 2000), 3));
}

HF_TEST(ipv6_clients_share_the_places_of_their_network) {
  AddressLimit limit;
  const AddressLimit::Place one = limit.enter(at("2001:db8:1:2::1", 1), 1);
  HF_CHECK(one);
  HF_CHECK(!limit.enter(at("2001:db8:1:2:ffff::9", 1), 1));
  HF_CHECK(limit.enter(at("2001:db8:1:3::1", 1), 1));
}

HF_TEST(an_address_without_connections_is_forgotten) {
  AddressLimit limit;
  {
    AddressLimit::Place place = limit.enter(at("192.0.2.1", 1), 2);
    const AddressLimit::Place moved = std::move(place);
    HF_CHECK(moved);
    HF_EQ(limit.addresses_count(), 1u);
  }
  HF_EQ(limit.addresses_count(), 0u);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(an_address_gets_so_many_places_and_another_its_own),
      HF_UNIT(ipv6_clients_share_the_places_of_their_network),
      HF_UNIT(an_address_without_connections_is_forgotten),
  };
  return HF_RUN(tests);
}
