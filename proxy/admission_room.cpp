#include "proxy/admission_room.h"

#include "common/limits.h"

namespace holdfast::proxy {

void AdmissionRoom::enter(link::Admit request, ExchangeRef waiter, WhenDown when_down,
                          MonoTime now) {
  const uint64_t number = next_number_++;
  number_of_.insert_or_assign(request.session, number);
  waiting_.emplace(number, Waiting{std::move(request), waiter, when_down, now + kAdmitDeadline});
}

const link::Admit *AdmissionRoom::next_to_ask() const {
  const auto at = waiting_.lower_bound(first_unasked_);
  return at == waiting_.end() ? nullptr : &at->second.request;
}

void AdmissionRoom::asked() {
  const auto at = waiting_.lower_bound(first_unasked_);
  if (at != waiting_.end()) first_unasked_ = at->first + 1;
}

std::optional<AdmissionRoom::Waiting> AdmissionRoom::take(std::string_view session) {
  const auto number = number_of_.find(session);
  if (number == number_of_.end()) return std::nullopt;
  auto node = waiting_.extract(number->second);
  number_of_.erase(number);
  return std::move(node.mapped());
}

std::optional<AdmissionRoom::Answer> AdmissionRoom::admitted(const link::Admitted &admitted) {
  const auto waiting = take(admitted.session);
  if (!waiting) return std::nullopt;
  reserved_.insert(admitted.session);
  AdmitAnswer answer;
  answer.exchange = waiting->waiter.exchange;
  answer.admitted = true;
  answer.persistent = admitted.persistent;
  return Answer{waiting->waiter, answer};
}

std::optional<AdmissionRoom::Answer> AdmissionRoom::refused(const link::Refused &refused) {
  const auto waiting = take(refused.session);
  if (!waiting) return std::nullopt;
  AdmitAnswer answer;
  answer.exchange = waiting->waiter.exchange;
  answer.reason = refused.reason;
  answer.retry_after_s = refused.retry_after_s;
  return Answer{waiting->waiter, answer};
}

bool AdmissionRoom::leave(std::string_view session) {
  const auto number = number_of_.find(session);
  if (number == number_of_.end()) return settle(session);  // its answer was already on its way
  const bool was_asked = number->second < first_unasked_;
  (void)take(session);  // ignoring: nobody is to be answered
  return was_asked;
}

bool AdmissionRoom::settle(std::string_view session) {
  const auto at = reserved_.find(session);
  if (at == reserved_.end()) return false;
  reserved_.erase(at);
  return true;
}

std::optional<MonoTime> AdmissionRoom::next_deadline() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->second.deadline;
}

std::vector<AdmissionRoom::Answer> AdmissionRoom::expire(MonoTime now) {
  std::vector<Answer> answers;
  while (!waiting_.empty() && waiting_.begin()->second.deadline <= now) {
    auto node = waiting_.extract(waiting_.begin());
    const Waiting &waiting = node.mapped();
    const auto number = number_of_.find(waiting.request.session);
    if (number != number_of_.end() && number->second == node.key()) number_of_.erase(number);
    answers.push_back({waiting.waiter, decide_alone(waiting)});
  }
  return answers;
}

// Without a cap nothing is lost by serving: sessiond hears of the session with the next snapshot.
AdmitAnswer AdmissionRoom::decide_alone(const Waiting &waiting) const {
  const auto policy = policies_.find(waiting.request.policy);
  AdmitAnswer answer;
  answer.exchange = waiting.waiter.exchange;
  answer.admitted = waiting.when_down == WhenDown::serve ||
                    (waiting.when_down == WhenDown::automatic && policy && !policy->capped);
  answer.persistent = policy ? policy->persistent : true;
  answer.reason = RefuseReason::sessiond_down;
  answer.retry_after_s = 1;
  return answer;
}

void AdmissionRoom::link_lost() {
  first_unasked_ = 0;
  reserved_.clear();
}

}  // namespace holdfast::proxy
