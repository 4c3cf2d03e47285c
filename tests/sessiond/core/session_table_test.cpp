// The table's indices and counts agree with each other through every change, by hand and against a
// plain model under random changes.
#include "sessiond/core/session_table.h"

#include <map>
#include <random>
#include <set>

#include "sessiond/core/tombstones.h"
#include "tests/sessiond/core/core_rig.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::sessiond;
using namespace holdfast::sessiond::test;

namespace {

struct Table {
  Session &add(const std::string &id, std::string_view user = "-", std::string_view policy = "",
               std::string_view instance = "i1") {
    SessionIdentity identity;
    identity.user = user;
    identity.peer = "127.0.0.1";
    return table.add(*SessionId::parse(id), identity, table.instance("node", instance),
                     policies.named(policy), MonoTime{});
  }

  PolicyTable policies{expiring()};
  SessionTable table;
};

size_t length_of(const IntrusiveList<Session, &Session::of_user> &list) {
  size_t count = 0;
  for (const Session *s = list.front(); s != nullptr;
       s = IntrusiveList<Session, &Session::of_user>::next(*s)) {
    ++count;
  }
  return count;
}

Tombstone grave(EndReason reason, bool drop_again, MonoTime ended) {
  Tombstone out;
  out.reason = reason;
  out.drop_again = drop_again;
  out.ended = ended;
  return out;
}

}  // namespace

HF_TEST(only_ids_of_our_own_form_are_ids) {
  HF_CHECK(SessionId::parse(sid(1)).has_value());
  HF_CHECK(!SessionId::parse("").has_value());
  HF_CHECK(!SessionId::parse(sid(1) + "x").has_value());
  HF_CHECK(!SessionId::parse(std::string(kSessionIdChars, ' ')).has_value());
  HF_EQ(SessionId::parse(sid(1))->text(), sid(1));
}

HF_TEST(a_session_is_found_by_its_id_user_and_instance_until_removed) {
  Table t;
  Session &session = t.add(sid(1), "alice");
  t.table.set_backend(session, "b/1.2.3.4:5", "their-id", "/mcp");
  HF_CHECK(t.table.find(sid(1)) == &session);
  HF_EQ(session.backend->text, "b/1.2.3.4:5");
  HF_EQ(t.table.find_user("alice")->sessions.size(), 1u);
  HF_EQ(t.table.find_instance("i1")->sessions.size(), 1u);
  HF_EQ(t.policies.top().sessions_count, 1u);
  HF_EQ(t.table.opening_count(), 1u);
  t.table.open(session);
  HF_EQ(t.table.opening_count(), 0u);
  HF_EQ(t.table.session_count(), 1u);

  t.table.remove(session);
  HF_CHECK(t.table.find(sid(1)) == nullptr);
  HF_CHECK(t.table.find_user("alice") == nullptr);
  HF_EQ(t.policies.top().sessions_count, 0u);
  HF_EQ(t.table.size(), 0u);
  t.table.forget_unused_instances();
  HF_CHECK(t.table.find_instance("i1") == nullptr);
}

HF_TEST(prefixes_of_four_characters_and_more_find_all_that_begin_so_sorted) {
  Table t;
  t.add(sid(12));
  t.add(sid(13));
  t.add(sid(20));
  HF_EQ(t.table.find_by_prefix("s00001", 10).size(), 2u);
  HF_CHECK(*t.table.find_by_prefix("s00001", 10)[0]->id <
           *t.table.find_by_prefix("s00001", 10)[1]->id);
  HF_EQ(t.table.find_by_prefix("s00001", 1).size(), 1u);
  HF_EQ(t.table.find_by_prefix("s000020_", 10).size(), 1u);
  HF_EQ(t.table.find_by_prefix(sid(20), 10).size(), 1u);
  HF_CHECK(t.table.find_by_prefix("s00", 10).empty());  // too short to mean one session
  HF_CHECK(t.table.find_by_prefix("zzzz", 10).empty());
}

HF_TEST(sessions_are_counted_per_user_and_policy) {
  Table t;
  t.add(sid(1), "alice", "team");
  t.add(sid(2), "alice");
  t.add(sid(3), "alice", "team");
  const User *const alice = t.table.find_user("alice");
  HF_EQ(alice->by_policy.of(t.policies.named("team")), 2u);
  HF_EQ(alice->by_policy.of(t.policies.top()), 1u);
  HF_EQ(t.policies.named("team").sessions_count, 2u);
  t.table.remove(*t.table.find(sid(1)));
  t.table.remove(*t.table.find(sid(3)));
  HF_EQ(alice->by_policy.of(t.policies.named("team")), 0u);
  HF_CHECK(!alice->anonymous());
  t.add(sid(4));
  HF_CHECK(t.table.find_user("-")->anonymous());
}

HF_TEST(a_session_moves_between_instances_and_empty_unlinked_ones_are_forgotten) {
  Table t;
  Session &session = t.add(sid(1), "-", "", "old");
  Instance &fresh = t.table.instance("node", "new");
  t.table.move_to(session, fresh);
  HF_EQ(fresh.sessions.size(), 1u);
  fresh.link = LinkId{7};
  t.table.instance("node", "idle").link = LinkId{8};
  t.table.forget_unused_instances();
  HF_CHECK(t.table.find_instance("old") == nullptr);
  HF_CHECK(t.table.find_instance("idle") != nullptr);  // linked: it may have sessions any moment
}

HF_TEST(the_indices_agree_with_a_plain_model_under_random_changes) {
  Table t;
  std::mt19937 random(1);
  std::map<std::string, std::string> model;  // id → user
  for (int i = 0; i < 20'000; ++i) {
    const std::string id = sid(static_cast<int>(random() % 700));
    const std::string user = "u" + std::to_string(random() % 20);
    Session *const known = t.table.find(id);
    HF_EQ(known != nullptr, model.count(id) == 1);
    if (known == nullptr) {
      t.add(id, user, random() % 2 == 0 ? "" : "team");
      model[id] = user;
    } else {
      t.table.remove(*known);
      model.erase(id);
    }
  }
  HF_EQ(t.table.size(), model.size());
  HF_EQ(t.policies.top().sessions_count + t.policies.named("team").sessions_count, model.size());
  std::map<std::string, size_t> by_user;
  for (const auto &[id, user] : model) {
    ++by_user[user];
    HF_EQ(t.table.find_by_prefix(id.substr(0, 8), 10).size(), 1u);
  }
  HF_EQ(t.table.user_count(), by_user.size());
  for (const auto &[user, count] : by_user) {
    HF_EQ(t.table.find_user(user)->sessions.size(), count);
    HF_EQ(length_of(t.table.find_user(user)->sessions), count);
  }
}

HF_TEST(shared_texts_are_stored_once_and_freed_with_the_last_holder) {
  TextPool pool;
  const TextPool::Entry *const first = pool.take("everything/127.0.0.1:3001");
  HF_CHECK(pool.take("everything/127.0.0.1:3001") == first);
  HF_EQ(pool.size(), 1u);
  pool.release(first);
  HF_EQ(pool.size(), 1u);
  pool.release(first);
  HF_EQ(pool.size(), 0u);
  pool.release(nullptr);
}

HF_TEST(tombstones_are_found_by_the_beginning_of_their_id_the_latest_first) {
  Tombstones graves;
  graves.add(*SessionId::parse(sid(1)), grave(EndReason::admin, false, MonoTime{}));
  graves.add(*SessionId::parse(sid(2)), grave(EndReason::capacity, false, MonoTime{}));
  graves.add(*SessionId::parse(sid(1)), grave(EndReason::idle_timeout, false, MonoTime{}));
  const auto one = graves.find_by_prefix(handle_of(sid(1)), 5);
  HF_EQ(one.size(), 1u);  // its earlier grave counts no more
  HF_CHECK(one[0].second->reason == EndReason::idle_timeout);
  const auto all = graves.find_by_prefix("s000", 5);
  HF_EQ(all.size(), 2u);
  HF_EQ(all[0].first.text(), sid(1));
  HF_EQ(graves.find_by_prefix("s000", 1).size(), 1u);
  HF_CHECK(graves.find_by_prefix("nobody", 5).empty());
}

HF_TEST(tombstones_are_bounded_in_time_and_number) {
  Tombstones graves;
  const MonoTime start{};
  const SessionId first = *SessionId::parse(sid(0));
  graves.add(first, grave(EndReason::admin, true, start));
  for (size_t i = 1; i < kTombstonesMax; ++i) {
    graves.add(*SessionId::parse(sid(static_cast<int>(i))),
               grave(EndReason::admin, false, start + Millis{1}));
  }
  HF_CHECK(graves.find(sid(0))->drop_again);
  graves.add(*SessionId::parse(sid(-1)), grave(EndReason::admin, false, start + Millis{2}));
  HF_EQ(graves.size(), kTombstonesMax);
  HF_CHECK(graves.find(sid(0)) == nullptr);  // the oldest went first
  graves.forget_older_than(start + Millis{2});
  HF_EQ(graves.size(), 1u);
}

HF_TEST(a_session_that_lives_again_has_no_tombstone_and_its_next_grave_lasts_its_own_time) {
  Tombstones graves;
  const SessionId id = *SessionId::parse(sid(0));
  graves.add(id, grave(EndReason::idle_timeout, true, MonoTime{}));
  graves.erase(sid(0));
  HF_CHECK(graves.find(sid(0)) == nullptr);
  graves.add(id, grave(EndReason::admin, false, MonoTime{Millis{100}}));
  graves.forget_older_than(MonoTime{Millis{50}});  // the first grave's turn
  HF_CHECK(graves.find(sid(0))->reason == EndReason::admin);
  graves.forget_older_than(MonoTime{Millis{101}});
  HF_EQ(graves.size(), 0u);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(only_ids_of_our_own_form_are_ids),
      HF_UNIT(a_session_is_found_by_its_id_user_and_instance_until_removed),
      HF_UNIT(prefixes_of_four_characters_and_more_find_all_that_begin_so_sorted),
      HF_UNIT(sessions_are_counted_per_user_and_policy),
      HF_UNIT(a_session_moves_between_instances_and_empty_unlinked_ones_are_forgotten),
      HF_UNIT(the_indices_agree_with_a_plain_model_under_random_changes),
      HF_UNIT(shared_texts_are_stored_once_and_freed_with_the_last_holder),
      HF_UNIT(tombstones_are_found_by_the_beginning_of_their_id_the_latest_first),
      HF_UNIT(tombstones_are_bounded_in_time_and_number),
      HF_UNIT(a_session_that_lives_again_has_no_tombstone_and_its_next_grave_lasts_its_own_time),
  };
  return HF_RUN(tests);
}
