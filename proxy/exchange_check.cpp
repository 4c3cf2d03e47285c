// mcp_header_check: a POST waits until its body has shown that it is what its head says; one that
// is not is refused, and the backend sees at most a part of it, which it cannot run.
#include "proxy/client_conn.h"
#include "proxy/exchange.h"
#include "proxy/mcp/head_check.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

// Before anything of the body has been read.
void Exchange::begin_head_check(const http::RequestHead &head) {
  if (!settings_->mcp_header_check || method_ != http::Method::post) return;
  if (request_->location == nullptr || request_->location->handler != Handler::proxy) return;
  const bool brings_one = head.fields.find(http::FieldId::mcp_method) != nullptr ||
                          head.fields.find(http::FieldId::mcp_name) != nullptr;
  if (modern_ || brings_one)
    request_->head_check = std::make_unique<mcp::HeadCheck>(head.fields, scanner_.get());
}

// Whether the body cannot be told to agree yet.
bool Exchange::head_unproven() {
  using Verdict = mcp::HeadCheck::Verdict;
  return request_->head_check &&
         request_->head_check->judge(scanner_.get(), request_complete_) == Verdict::more;
}

bool Exchange::head_belied() {
  if (!request_->head_check) return false;
  const bool read = json_body_ && !scanner_;  // to its end, and it agreed
  if (!read)
    (void)request_->head_check->judge(scanner_.get(), request_complete_);  // ignoring: kept
  return request_->head_check->failed();
}

// Whether what has come since shows that the request is not what it was routed by.
bool Exchange::belied() {
  const bool unclear =
      scanner_ && !classified_ && scanner_->state() == mcp::RpcScanner::State::unclear && routed_;
  return unclear || head_belied();
}

void Exchange::refuse_belied() {
  worker_.counters().add(Counter::protocol_errors);
  refuse(400, request_->head_check->text());
}

// The id a refusal echoes is known now, or will not be.
void Exchange::refuse_identified() {
  if (head_belied()) {
    refuse_belied();
  } else {
    refuse_session_not_found();
  }
}

}  // namespace holdfast::proxy
