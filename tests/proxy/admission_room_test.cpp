// The decisions around admissions: who is asked for, who is answered, what becomes of slots.
#include "proxy/admission_room.h"

#include "common/limits.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

constexpr ExchangeRef kWaiter{2, 77};

link::Admit admit(const std::string &session, const std::string &policy = "") {
  link::Admit request;
  request.session = session;
  request.policy = policy;
  return request;
}

link::PolicyInfo policy(const std::string &name, std::optional<int64_t> max_sessions,
                        bool persistent = false) {
  link::PolicyInfo info;
  info.name = name;
  info.max_sessions = max_sessions;
  info.persistent = persistent;
  return info;
}

struct Rig {
  FakeClock clock;
  AdmissionRoom room;

  void enter(const std::string &session, WhenDown when_down = WhenDown::automatic,
             const std::string &policy_name = "") {
    room.enter(admit(session, policy_name), kWaiter, when_down, clock.now());
  }
  std::vector<std::string> ask_all() {
    std::vector<std::string> asked;
    while (const link::Admit *request = room.next_to_ask()) {
      asked.push_back(request->session);
      room.asked();
    }
    return asked;
  }
  // What a request of this policy is answered when sessiond stays silent.
  AdmitAnswer alone(WhenDown when_down, const std::string &policy_name = "") {
    enter("alone", when_down, policy_name);
    clock.advance(kAdmitDeadline);
    return room.expire(clock.now()).at(0).answer;
  }
};

}  // namespace

HF_TEST(requests_are_asked_for_once_and_in_order) {
  Rig t;
  t.enter("a");
  t.enter("b");
  HF_CHECK(t.ask_all() == (std::vector<std::string>{"a", "b"}));
  t.enter("c");
  HF_CHECK(t.ask_all() == (std::vector<std::string>{"c"}));
}

HF_TEST(an_admission_answers_its_waiter_and_reserves) {
  Rig t;
  t.enter("a");
  t.ask_all();
  const auto answer = t.room.admitted({"a", true});
  HF_CHECK(answer.has_value());
  HF_CHECK(answer->waiter == kWaiter);
  HF_EQ(answer->answer.exchange, kWaiter.exchange);
  HF_CHECK(answer->answer.admitted && answer->answer.persistent);
  HF_CHECK(t.room.settle("a"));
  HF_CHECK(!t.room.settle("a"));
}

HF_TEST(a_refusal_answers_its_waiter_with_its_reason) {
  Rig t;
  t.enter("a");
  t.ask_all();
  const auto answer = t.room.refused({"a", RefuseReason::max_sessions_per_user, 42});
  HF_CHECK(answer.has_value() && !answer->answer.admitted);
  HF_EQ(answer->answer.reason, RefuseReason::max_sessions_per_user);
  HF_EQ(answer->answer.retry_after_s, 42);
  HF_CHECK(!t.room.settle("a"));
  HF_CHECK(!t.room.next_deadline().has_value());
}

HF_TEST(answers_may_come_in_another_order) {
  Rig t;
  t.enter("a");
  t.enter("b");
  t.ask_all();
  HF_CHECK(t.room.admitted({"b", false}).has_value());
  HF_CHECK(t.room.refused({"a", RefuseReason::max_sessions, 1}).has_value());
}

HF_TEST(an_answer_for_nobody_is_known_as_such) {
  Rig t;
  HF_CHECK(!t.room.admitted({"stranger", false}).has_value());
  HF_CHECK(!t.room.settle("stranger"));
  HF_CHECK(!t.room.refused({"stranger", RefuseReason::max_sessions, 1}).has_value());
}

HF_TEST(a_late_admission_is_for_nobody_and_reserves_nothing) {
  Rig t;
  t.enter("a");
  t.ask_all();
  t.clock.advance(kAdmitDeadline);
  HF_EQ(t.room.expire(t.clock.now()).size(), size_t{1});
  HF_CHECK(!t.room.admitted({"a", false}).has_value());
  HF_CHECK(!t.room.settle("a"));
}

HF_TEST(nobody_waits_longer_than_the_deadline_and_nobody_is_answered_early) {
  Rig t;
  t.enter("a");
  t.clock.advance(Millis{400});
  t.enter("b");
  HF_CHECK(t.room.next_deadline() == t.clock.now() + Millis{600});
  t.clock.advance(Millis{599});
  HF_CHECK(t.room.expire(t.clock.now()).empty());
  t.clock.advance(Millis{1});
  HF_EQ(t.room.expire(t.clock.now()).size(), size_t{1});
  HF_CHECK(t.room.next_deadline() == t.clock.now() + Millis{400});
}

struct AloneCase {
  const char *name;
  std::vector<link::PolicyInfo> known;
  const char *policy;
  WhenDown when_down;
  bool admitted;
  bool persistent;
};

const AloneCase kAloneCases[] = {
    {"auto, nothing known", {}, "", WhenDown::automatic, false, true},
    {"serve, nothing known", {}, "", WhenDown::serve, true, true},
    {"refuse, nothing known", {}, "", WhenDown::refuse, false, true},
    {"auto, no cap", {policy("", {}, true)}, "", WhenDown::automatic, true, true},
    {"auto, no cap, not persistent", {policy("", {})}, "", WhenDown::automatic, true, false},
    {"auto, cap", {policy("", 9)}, "", WhenDown::automatic, false, false},
    {"serve, cap", {policy("", 9)}, "", WhenDown::serve, true, false},
    {"refuse, no cap", {policy("", {})}, "", WhenDown::refuse, false, false},
    {"auto, own cap", {policy("", {}), policy("t", 9)}, "t", WhenDown::automatic, false, false},
    {"auto, cap of all", {policy("", 9), policy("t", {})}, "t", WhenDown::automatic, false, false},
    {"auto, other's cap", {policy("", {}), policy("t", 9)}, "", WhenDown::automatic, true, false},
    {"auto, unknown name", {policy("", {}, true)}, "gone", WhenDown::automatic, true, true},
    {"auto, unknown name, cap", {policy("", 9)}, "gone", WhenDown::automatic, false, false},
};

HF_TEST(without_sessiond_the_table_decides) {
  for (const AloneCase &c : kAloneCases) {
    Rig t;
    t.room.set_policies(c.known);
    const AdmitAnswer answer = t.alone(c.when_down, c.policy);
    if (answer.admitted != c.admitted) HF_FAIL(std::string(c.name) + ": admitted");
    if (answer.persistent != c.persistent) HF_FAIL(std::string(c.name) + ": persistent");
    HF_EQ(answer.reason, RefuseReason::sessiond_down);
    HF_EQ(answer.retry_after_s, 1);
  }
}

HF_TEST(a_cap_per_user_is_a_cap) {
  Rig t;
  link::PolicyInfo info = policy("", {});
  info.max_sessions_per_address = 3;
  t.room.set_policies({info});
  HF_CHECK(!t.alone(WhenDown::automatic).admitted);
}

HF_TEST(who_leaves_before_the_question_leaves_no_trace) {
  Rig t;
  t.enter("a");
  HF_CHECK(!t.room.leave("a"));
  HF_CHECK(t.ask_all().empty());
  HF_CHECK(!t.room.next_deadline().has_value());
}

HF_TEST(who_leaves_after_the_question_gives_the_slot_back) {
  Rig t;
  t.enter("a");
  t.ask_all();
  HF_CHECK(t.room.leave("a"));
  HF_CHECK(!t.room.admitted({"a", false}).has_value());
}

HF_TEST(who_leaves_while_the_answer_is_on_its_way_gives_the_slot_back) {
  Rig t;
  t.enter("a");
  t.ask_all();
  HF_CHECK(t.room.admitted({"a", false}).has_value());
  HF_CHECK(t.room.leave("a"));
  HF_CHECK(!t.room.settle("a"));
  HF_CHECK(!t.room.leave("a"));
}

HF_TEST(a_lost_link_takes_its_reservations_and_who_waits_is_asked_for_again) {
  Rig t;
  t.enter("a");
  t.enter("b");
  t.ask_all();
  HF_CHECK(t.room.admitted({"a", false}).has_value());
  t.room.link_lost();
  HF_CHECK(!t.room.settle("a"));
  HF_CHECK(!t.room.leave("a"));
  HF_CHECK(t.ask_all() == (std::vector<std::string>{"b"}));
  HF_CHECK(t.room.admitted({"b", false}).has_value());
}

HF_TEST(each_of_two_requests_with_one_id_is_answered_once) {
  Rig t;
  t.enter("a");
  t.enter("a");
  t.ask_all();
  size_t answers = t.room.admitted({"a", false}).has_value() ? 1 : 0;
  answers += t.room.admitted({"a", false}).has_value() ? 1 : 0;
  t.clock.advance(kAdmitDeadline);
  answers += t.room.expire(t.clock.now()).size();
  HF_EQ(answers, size_t{2});
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(requests_are_asked_for_once_and_in_order),
      HF_UNIT(an_admission_answers_its_waiter_and_reserves),
      HF_UNIT(a_refusal_answers_its_waiter_with_its_reason),
      HF_UNIT(answers_may_come_in_another_order),
      HF_UNIT(an_answer_for_nobody_is_known_as_such),
      HF_UNIT(a_late_admission_is_for_nobody_and_reserves_nothing),
      HF_UNIT(nobody_waits_longer_than_the_deadline_and_nobody_is_answered_early),
      HF_UNIT(without_sessiond_the_table_decides),
      HF_UNIT(a_cap_per_user_is_a_cap),
      HF_UNIT(who_leaves_before_the_question_leaves_no_trace),
      HF_UNIT(who_leaves_after_the_question_gives_the_slot_back),
      HF_UNIT(who_leaves_while_the_answer_is_on_its_way_gives_the_slot_back),
      HF_UNIT(a_lost_link_takes_its_reservations_and_who_waits_is_asked_for_again),
      HF_UNIT(each_of_two_requests_with_one_id_is_answered_once),
  };
  return HF_RUN(tests);
}
