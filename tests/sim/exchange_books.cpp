#include "tests/sim/exchange_books.h"

#include <algorithm>
#include <array>

namespace holdfast::sim {
namespace {

constexpr std::array<std::string_view, 2> kHeartbeats = {": ping\n\n", ": ok\n\n"};

// Whether an event of `sent` may begin at `at`: what stands before it ended with a blank line.
bool between_events(std::string_view sent, size_t at) {
  const std::string_view before = sent.substr(0, at);
  return before.empty() || before.ends_with("\n\n") || before.ends_with("\r\n\r\n");
}

template <class Range>
bool contains(const Range &range, int value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

}  // namespace

bool same_events(std::string_view received, std::string_view sent, bool whole) {
  size_t at = 0;
  while (!received.empty()) {
    if (between_events(sent, at) && received.front() == ':') {
      bool skipped = false;
      for (const std::string_view heartbeat : kHeartbeats) {
        if (received.starts_with(heartbeat)) {
          received.remove_prefix(heartbeat.size());
          skipped = true;
          break;
        }
        if (heartbeat.starts_with(received)) return !whole;  // the rest of it is on its way
      }
      if (!skipped) return false;
      continue;
    }
    if (at == sent.size() || received.front() != sent[at]) return false;
    received.remove_prefix(1);
    ++at;
  }
  return !whole || at == sent.size();
}

AskedRequest &ExchangeBooks::ask(RequestPlan plan, size_t client) {
  const uint32_t tag = plan.tag;
  AskedRequest &request = requests_[tag];
  request.plan = std::move(plan);
  request.client = client;
  return request;
}

GivenAnswer &ExchangeBooks::give(AnswerPlan plan) {
  GivenAnswer &answer = answers_[plan.id];
  requests_.at(plan.tag).answer = plan.id;
  answer.plan = std::move(plan);
  return answer;
}

AskedRequest &ExchangeBooks::request(uint32_t tag) {
  const auto at = requests_.find(tag);
  require(at != requests_.end(), "D3", "a backend sees request {}, which nobody made", tag);
  return at->second;
}

GivenAnswer *ExchangeBooks::answer(uint64_t id) {
  const auto at = answers_.find(id);
  return at == answers_.end() ? nullptr : &at->second;
}

void ExchangeBooks::break_in_flight() {
  servers_failed = true;
  for (auto &[tag, request] : requests_) {
    if (request.begun && !request.settled) request.broken = true;
  }
}

void ExchangeBooks::note_wait() {
  for (auto &[tag, request] : requests_) {
    if (request.begun && !request.settled) request.waited = true;
  }
}

AskedRequest &ExchangeBooks::on_request_head(const WireHead &head) {
  const size_t method_end = head.line.find(' ');
  const size_t target_end = head.line.find(' ', method_end + 1);
  require(target_end != std::string::npos && head.line.substr(target_end) == " HTTP/1.1", "D3",
          "not a request line: {}", head.line);
  const std::string_view target =
      std::string_view(head.line).substr(method_end + 1, target_end - method_end - 1);
  require(target.starts_with("/t/"), "D3", "a request for {}", target);
  const auto tag = number(target.substr(3, target.find('?') - 3));
  require(tag.has_value(), "D3", "a request for {}", target);
  AskedRequest &request = this->request(static_cast<uint32_t>(*tag));
  require(request.plan.flaw != RequestPlan::Flaw::head, "D4", "request {} is ambiguous and passed",
          *tag);
  require(!request.behind_close, "D3", "request {} stands behind the connection's end", *tag);
  require(head.line.substr(0, method_end) == request.plan.method, "D3", "request {} has become {}",
          *tag, head.line);
  require(head.count("host") == 1, "D3", "request {} has {} Hosts", *tag, head.count("host"));
  const std::string *const said = head.find("x-tag");
  require(said != nullptr && number(*said) == tag, "D3", "request {} has another's fields", *tag);
  for (const char *const hop : {"expect", "x-hop", "trailer", "te", "upgrade", "keep-alive"})
    require(head.count(hop) == 0, "D3", "request {} forwards {}", *tag, hop);
  const bool lengthy = request.plan.has_length && !request.plan.body.empty();
  if (lengthy && head.find("content-length") != nullptr) {
    require(*head.find("content-length") == std::to_string(request.plan.body.size()), "D1",
            "request {} has another length: {}", *tag, *head.find("content-length"));
  }
  return request;
}

// D3: nothing that a backend may have looked at comes a second time.
void ExchangeBooks::on_request_seen(AskedRequest &request) {
  ++request.seen_count;
  require(request.seen_count <= 2 && request.seen_count <= 1 + request.unheard_count, "D3",
          "request {} ({}) was sent {} times", request.plan.tag, request.plan.method,
          request.seen_count);
}

void ExchangeBooks::check_request_body(const AskedRequest &request, std::string_view body,
                                       bool whole) {
  const std::string &asked = request.plan.body;
  require(asked.starts_with(body), "D1", "the body of request {} differs within {} bytes",
          request.plan.tag, body.size());
  if (!whole) return;
  require(body.size() == asked.size(), "D1", "the body of request {} has {} of {} bytes",
          request.plan.tag, body.size(), asked.size());
  require(request.plan.flaw == RequestPlan::Flaw::none, "D4",
          "request {} is broken and came whole at a backend", request.plan.tag);
}

GivenAnswer *ExchangeBooks::on_answer_head(AskedRequest &request, const WireHead &head,
                                           int status) {
  const std::string *const said = head.find("x-answer");
  if (said == nullptr) {
    check_own_answer(request, status);
    return nullptr;
  }
  GivenAnswer *const given = answer(number(*said).value_or(0));
  require(given != nullptr, "D5", "an answer nobody gave: {}", *said);
  require(given->plan.tag == request.plan.tag, "D5", "request {} gets the answer to {}",
          request.plan.tag, given->plan.tag);
  require(given->plan.status == status, "D1", "the answer to {} has become a {}", request.plan.tag,
          status);
  require(given->plan.flaw != AnswerPlan::Flaw::head, "D4",
          "the answer to {} is no HTTP and passed", request.plan.tag);
  require(request.plan.flaw != RequestPlan::Flaw::head, "D4", "ambiguous request {} was answered",
          request.plan.tag);
  const std::string *const length = head.find("content-length");
  if (given->plan.status == 204) require(length == nullptr, "D1", "a 204 with a length");
  const bool sized = given->plan.kind == AnswerPlan::Kind::length && length != nullptr;
  const bool head_only = request.plan.method == "HEAD";
  if (sized && !head_only) {
    require(*length == std::to_string(given->plan.body.size()) ||
                given->plan.flaw == AnswerPlan::Flaw::cut ||
                given->plan.flaw == AnswerPlan::Flaw::silence,
            "D1", "the answer to {} has another length: {}", request.plan.tag, *length);
  }
  return given;
}

// The proxy answers itself only where somebody gave it a reason.
void ExchangeBooks::check_own_answer(const AskedRequest &request, int status) const {
  static constexpr std::array kHeadRefusals = {400, 501, 505};
  const RequestPlan &plan = request.plan;
  if (plan.flaw == RequestPlan::Flaw::head) {
    const bool refused = contains(kHeadRefusals, status) || (status == 408 && request.waited);
    require(refused, "D4", "ambiguous request {} is answered with {}", plan.tag, status);
    return;
  }
  const bool reason = (status == 400 && plan.flaw == RequestPlan::Flaw::chunk) ||
                      (status == 413 && plan.flaw == RequestPlan::Flaw::oversize) ||
                      (status == 408 && request.waited && !(request.written && request.arrived)) ||
                      (status == 502 && (request.broken || request.waited)) ||
                      (status == 503 && servers_failed) || (status == 504 && request.waited);
  require(reason, "F5", "request {} is answered with {} for no reason (written {}, waited {})",
          plan.tag, status, request.written, request.waited);
}

void ExchangeBooks::check_answer_body(const AskedRequest &request, const GivenAnswer &given,
                                      std::string_view body, bool whole) const {
  const AnswerPlan &plan = given.plan;
  const bool same = plan.kind == AnswerPlan::Kind::events
                        ? same_events(body, plan.body, false)
                        : std::string_view(plan.body).starts_with(body);
  require(same, "D1", "the answer to {} differs within {} bytes", request.plan.tag, body.size());
  if (!whole) return;
  require(given.whole, "D2", "the cut answer to {} looks whole ({} of {} bytes were sent)",
          request.plan.tag, given.sent_bytes, plan.wire.size());
  const bool complete = plan.kind == AnswerPlan::Kind::events ? same_events(body, plan.body, true)
                                                              : body.size() == plan.body.size();
  require(complete, "D1", "the answer to {} ends after {} of {} bytes", request.plan.tag,
          body.size(), plan.body.size());
}

}  // namespace holdfast::sim
