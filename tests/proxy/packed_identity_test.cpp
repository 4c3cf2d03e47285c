// A session's identity in one block: every text comes out as it went in, also after a move.
#include "proxy/packed_identity.h"

#include <utility>

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

SessionIdentity some_identity() {
  return {"q0Zr",     "alice",     "team", Transport::sse, 3,   "backend-1",
          "/mcp?x=1", "127.0.0.1", "ide",  "1.0",          true};
}

void check_same(const SessionIdentity &a, const SessionIdentity &b) {
  HF_EQ(a.id, b.id);
  HF_EQ(a.user, b.user);
  HF_EQ(a.policy, b.policy);
  HF_CHECK(a.transport == b.transport);
  HF_EQ(a.backend, b.backend);
  HF_EQ(a.backend_session, b.backend_session);
  HF_EQ(a.target, b.target);
  HF_EQ(a.peer, b.peer);
  HF_EQ(a.client_name, b.client_name);
  HF_EQ(a.client_version, b.client_version);
  HF_EQ(a.initialize_first, b.initialize_first);
}

}  // namespace

HF_TEST(every_member_comes_out_as_it_went_in) {
  const SessionIdentity identity = some_identity();
  const PackedIdentity packed(identity);
  check_same(packed.unpack(), identity);
  HF_EQ(packed.id(), "q0Zr");
  HF_EQ(packed.user(), "alice");
  HF_EQ(packed.policy(), "team");
  HF_EQ(packed.backend_session(), "backend-1");
  HF_CHECK(packed.transport() == Transport::sse);
  HF_EQ(packed.backend(), BackendId{3});
  HF_CHECK(packed.initialize_first());
}

HF_TEST(a_recovery_moves_it_to_another_session_of_a_backend) {
  SessionIdentity identity = some_identity();
  PackedIdentity packed(identity);
  identity.backend = BackendId{4};
  identity.backend_session = std::string(500, 'b');
  packed.move_to(identity.backend, identity.backend_session);
  check_same(packed.unpack(), identity);
  HF_EQ(packed.backend_session(), identity.backend_session);
}

HF_TEST(empty_and_long_texts_are_told_apart) {
  SessionIdentity identity;
  check_same(PackedIdentity(identity).unpack(), identity);
  identity.target = std::string(100'000, 't');
  identity.client_version = std::string("a\0b", 3);
  check_same(PackedIdentity(identity).unpack(), identity);
}

HF_TEST(a_view_of_the_id_outlives_a_move) {
  PackedIdentity first(some_identity());
  const std::string_view id = first.id();
  const PackedIdentity second = std::move(first);
  HF_CHECK(id.data() == second.id().data());
  HF_EQ(id, "q0Zr");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(every_member_comes_out_as_it_went_in),
      HF_UNIT(a_recovery_moves_it_to_another_session_of_a_backend),
      HF_UNIT(empty_and_long_texts_are_told_apart),
      HF_UNIT(a_view_of_the_id_outlives_a_move),
  };
  return HF_RUN(tests);
}
