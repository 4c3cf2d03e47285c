// Backends keep their number for the process's life; a changed address is another backend.
#include "proxy/backend_directory.h"

#include <arpa/inet.h>
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

Backend backend(const std::string &server, const char *ip, uint16_t port) {
  Backend b;
  b.name = "everything/" + server;
  b.upstream = "everything";
  b.server = server;
  auto *in = reinterpret_cast<sockaddr_in *>(&b.address);
  in->sin_family = AF_INET;
  in->sin_port = htons(port);
  in->sin_addr.s_addr = inet_addr(ip);
  b.address_bytes = sizeof(sockaddr_in);
  return b;
}

}  // namespace

HF_TEST(a_backend_is_found_by_number_and_by_name) {
  BackendDirectory directory;
  const BackendId first = directory.intern(backend("a:1", "127.0.0.1", 1)).value();
  const BackendId second = directory.intern(backend("b:1", "127.0.0.2", 1)).value();
  HF_CHECK(first != second);
  HF_EQ(directory.at(first).server, "a:1");
  HF_EQ(directory.at(second).server, "b:1");
  HF_EQ(directory.find("everything/b:1").value(), second);
  HF_CHECK(!directory.find("everything/c:1").has_value());
  HF_EQ(directory.size(), size_t{2});
}

HF_TEST(the_same_backend_keeps_its_number) {
  BackendDirectory directory;
  const BackendId first = directory.intern(backend("a:1", "127.0.0.1", 1)).value();
  HF_EQ(directory.intern(backend("a:1", "127.0.0.1", 1)).value(), first);
  HF_EQ(directory.size(), size_t{1});
}

HF_TEST(a_changed_address_is_a_new_number_and_the_old_one_stays_valid) {
  BackendDirectory directory;
  const BackendId first = directory.intern(backend("a:1", "127.0.0.1", 1)).value();
  const Backend *before = &directory.at(first);
  const BackendId moved = directory.intern(backend("a:1", "127.0.0.9", 1)).value();
  HF_CHECK(moved != first);
  HF_EQ(directory.find("everything/a:1").value(), moved);
  HF_CHECK(&directory.at(first) == before);
  HF_EQ(directory.intern(backend("a:1", "127.0.0.1", 1)).value(), first);
  HF_EQ(directory.find("everything/a:1").value(), first);
}

HF_TEST(one_address_spoken_to_in_two_ways_is_two_backends) {
  BackendDirectory directory;
  const BackendId plain = directory.intern(backend("a:1", "127.0.0.1", 1)).value();
  Backend other = backend("a:1", "127.0.0.1", 1);
  other.tls = "https;a.example";
  const BackendId by_tls = directory.intern(other).value();
  HF_CHECK(by_tls != plain);
  HF_EQ(directory.intern(other).value(), by_tls);
}

HF_TEST(a_full_directory_refuses_new_backends_and_knows_the_old_ones) {
  BackendDirectory directory;
  for (size_t i = 0; i < kBackendsMax; ++i) {
    HF_CHECK(directory.intern(backend("h" + std::to_string(i), "127.0.0.1", 1)).has_value());
  }
  HF_CHECK(!directory.intern(backend("one-more", "127.0.0.1", 1)).has_value());
  HF_EQ(directory.intern(backend("h7", "127.0.0.1", 1)).value(), BackendId{7});
  HF_EQ(directory.size(), kBackendsMax);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_backend_is_found_by_number_and_by_name),
      HF_UNIT(the_same_backend_keeps_its_number),
      HF_UNIT(a_changed_address_is_a_new_number_and_the_old_one_stays_valid),
      HF_UNIT(one_address_spoken_to_in_two_ways_is_two_backends),
      HF_UNIT(a_full_directory_refuses_new_backends_and_knows_the_old_ones),
  };
  return HF_RUN(tests);
}
