// Addresses and ranges: what they accept, how they print, and which address is in which range.
#include "common/socket_address.h"

#include "tests/support/hf_test.h"

using namespace holdfast;

namespace {

SocketAddress at(std::string_view ip, uint16_t port = 80) {
  const auto address = SocketAddress::numeric(ip, port);
  if (!address) HF_FAIL("not an address: " + std::string(ip));
  return *address;
}

bool in(std::string_view range, std::string_view ip) {
  const auto cidr = Cidr::parse(range);
  if (!cidr) HF_FAIL("not a range: " + std::string(range));
  return cidr->contains(at(ip));
}

}  // namespace

HF_TEST(addresses_print_as_they_are_written) {
  HF_EQ(at("127.0.0.1").text(), std::string("127.0.0.1:80"));
  HF_EQ(at("::1", 8080).text(), std::string("[::1]:8080"));
  HF_EQ(at("2001:DB8::A").ip(), std::string("2001:db8::a"));
  HF_EQ(at("::ffff:10.0.0.1").ip(), std::string("10.0.0.1"));
  HF_EQ(SocketAddress::unix_path("/run/x.sock")->text(), std::string("unix:/run/x.sock"));
  HF_EQ(SocketAddress::unix_path("/run/x.sock")->ip(), std::string("unix:"));
  HF_EQ(SocketAddress().text(), std::string(":0"));
}

HF_TEST(what_is_no_address_is_none) {
  for (const char *text :
       {"", "localhost", "1.2.3", "1.2.3.4.5", "256.0.0.1", "[::1]", "::1%lo", "1.2.3.4 "}) {
    HF_CHECK(!SocketAddress::numeric(text, 1));
  }
  HF_CHECK(!SocketAddress::numeric(std::string_view("1.2.3.4\0", 8), 1));
  HF_CHECK(!SocketAddress::unix_path(""));
  HF_CHECK(SocketAddress::unix_path(std::string(107, 'x')).has_value());
  HF_CHECK(!SocketAddress::unix_path(std::string(108, 'x')));
}

HF_TEST(what_accept_gives_is_taken_and_nothing_else) {
  const SocketAddress original = at("10.1.2.3", 99);
  HF_CHECK(*SocketAddress::from(original.get(), original.length_bytes()) == original);
  HF_CHECK(!SocketAddress::from(original.get(), 3));
  HF_CHECK(!SocketAddress::from(original.get(), 1));
  sockaddr_un unnamed{};
  unnamed.sun_family = AF_UNIX;
  const void *raw = &unnamed;
  const auto peer = SocketAddress::from(static_cast<const sockaddr *>(raw), sizeof(sa_family_t));
  HF_CHECK(peer && peer->is_unix());
  HF_EQ(peer->text(), std::string("unix:"));
}

HF_TEST(loopback_is_told_from_the_rest) {
  for (const char *ip : {"127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"})
    HF_CHECK(at(ip).is_loopback());
  for (const char *ip : {"128.0.0.1", "0.0.0.0", "::", "::2", "::ffff:10.0.0.1"})
    HF_CHECK(!at(ip).is_loopback());
  HF_CHECK(!SocketAddress::unix_path("/x")->is_loopback());
  HF_CHECK(at("0.0.0.0").is_wildcard() && at("::").is_wildcard() && !at("127.0.0.1").is_wildcard());
}

HF_TEST(equality_looks_at_address_and_port) {
  HF_CHECK(at("127.0.0.1") == at("127.0.0.1"));
  HF_CHECK(!(at("127.0.0.1", 1) == at("127.0.0.1", 2)));
  HF_CHECK(!(at("0.0.0.0") == at("::")));
  HF_CHECK(*SocketAddress::unix_path("/x") == *SocketAddress::unix_path("/x"));
  HF_CHECK(!(*SocketAddress::unix_path("/x") == *SocketAddress::unix_path("/y")));
}

HF_TEST(ranges_hold_what_their_prefix_says) {
  HF_CHECK(in("10.0.0.0/8", "10.255.1.2") && !in("10.0.0.0/8", "11.0.0.0"));
  HF_CHECK(in("192.168.4.0/22", "192.168.7.255") && !in("192.168.4.0/22", "192.168.8.0"));
  HF_CHECK(in("0.0.0.0/0", "1.2.3.4") && !in("0.0.0.0/0", "::1"));
  HF_CHECK(in("1.2.3.4", "1.2.3.4") && !in("1.2.3.4/32", "1.2.3.5"));
  HF_CHECK(in("2001:db8::/33", "2001:db8:7fff::1") && !in("2001:db8::/33", "2001:db8:8000::1"));
  HF_CHECK(in("10.0.0.0/8", "::ffff:10.0.0.1"));
  HF_CHECK(in("::/0", "::1") && !in("::/0", "1.2.3.4"));
}

HF_TEST(a_range_with_bits_behind_its_prefix_is_a_typing_error) {
  for (const char *text :
       {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "/8", "x/8", "::1/64", "::/129"}) {
    HF_CHECK(!Cidr::parse(text));
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(addresses_print_as_they_are_written),
      HF_UNIT(what_is_no_address_is_none),
      HF_UNIT(what_accept_gives_is_taken_and_nothing_else),
      HF_UNIT(loopback_is_told_from_the_rest),
      HF_UNIT(equality_looks_at_address_and_port),
      HF_UNIT(ranges_hold_what_their_prefix_says),
      HF_UNIT(a_range_with_bits_behind_its_prefix_is_a_typing_error),
  };
  return HF_RUN(tests);
}
