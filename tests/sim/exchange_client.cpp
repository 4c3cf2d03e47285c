#include "tests/sim/exchange_client.h"

#include <algorithm>

namespace holdfast::sim {

void FakeClient::ask(RequestPlan plan) {
  const bool behind_close = !tags_.empty() && (books_.requests().at(tags_.back()).plan.closes ||
                                               books_.requests().at(tags_.back()).behind_close);
  tags_.push_back(plan.tag);
  books_.trace().note("client {} will ask {} {}{}{} body {}{} flaw {}", index_, plan.method,
                      plan.tag, plan.http10 ? " 1.0" : "", plan.closes ? " closes" : "",
                      plan.body.size(), plan.chunked ? " chunked" : "",
                      static_cast<int>(plan.flaw));
  AskedRequest &request = books_.ask(std::move(plan), index_);
  request.behind_close = behind_close;
  request.begin = out_.size();
  out_ += request.plan.wire;
  request.end = out_.size();
}

bool FakeClient::may_ask() const { return open() && !half_closed_ && tags_.size() < 8; }

AskedRequest *FakeClient::awaited() {
  return next_ < tags_.size() ? &books_.request(tags_[next_]) : nullptr;
}

// Whether the next byte is the first of a body that was asked leave for.
bool FakeClient::awaits_invitation() const {
  for (const uint32_t tag : tags_) {
    const AskedRequest &request = books_.requests().at(tag);
    const uint64_t body = request.begin + request.plan.head_bytes;
    if (!request.plan.expects || body != sent_bytes_ || body == request.end) continue;
    return next_ < tags_.size() && tags_[next_] == tag ? !invited_ && !answer_ : true;
  }
  return false;
}

size_t FakeClient::write(size_t bytes_max) {
  const size_t at = static_cast<size_t>(sent_bytes_);
  const size_t sent = end_.write(std::string_view(out_).substr(at, bytes_max));
  sent_bytes_ += sent;
  for (const uint32_t tag : tags_) {
    AskedRequest &request = books_.request(tag);
    request.begun = request.begin < sent_bytes_;
    request.written = request.end <= sent_bytes_;
  }
  books_.trace().note("client {} writes {} bytes, {} in all", index_, sent, sent_bytes_);
  return sent;
}

void FakeClient::half_close() {
  books_.trace().note("client {} half-closes", index_);
  cut_own_request_ = sent_bytes_ < out_.size();
  half_closed_ = true;
  end_.half_close();
}

void FakeClient::leave(bool reset) {
  books_.trace().note("client {} {}", index_, reset ? "resets" : "leaves");
  if (reset) {
    end_.reset();
  } else {
    end_.close();
  }
  end_seen_ = true;
  for (size_t i = next_; i < tags_.size(); ++i) books_.request(tags_[i]).settled = true;
}

void FakeClient::on_bytes(std::string bytes) {
  books_.trace().note("client {} reads {} bytes", index_, bytes.size());
  in_ += bytes;
  for (;;) {
    if (!answer_ && (in_.empty() || !read_head())) return;
    if (!answer_) continue;  // an interim one
    read_body();
    if (answer_) return;
  }
}

// False: nothing more can be made of the bytes there are.
bool FakeClient::read_head() {
  require(!last_settled_, "D5", "client {} gets {} bytes behind its last answer", index_,
          in_.size());
  AskedRequest *const request = awaited();
  require(request != nullptr && request->begun, "D5", "client {} gets what it did not ask for: {}",
          index_, in_.substr(0, 80));
  const auto head = take_head(in_, "D1");
  if (!head) return false;
  const auto status = number(std::string_view(head->line).substr(0, 12).substr(9));
  require(head->line.starts_with("HTTP/1.1 ") && status && *status >= 100 && *status < 600, "D1",
          "not a status line: {}", head->line);
  if (*status < 200) {
    require(!request->plan.http10, "D1", "a {} for an HTTP/1.0 client", *status);
    require(*status == 103 || (*status == 100 && request->plan.expects && !invited_), "D1",
            "an unasked {}", *status);
    if (*status == 100) invited_ = true;
    if (*status == 103) ++interims_count_;
    return true;
  }
  Answer answer;
  answer.status = static_cast<int>(*status);
  answer.given = books_.on_answer_head(*request, *head, answer.status);
  books_.trace().note("client {} gets a {} to {} ({})", index_, *status, request->plan.tag,
                      answer.given != nullptr ? answer.given->plan.id : 0);
  if (answer.given != nullptr) {
    const unsigned sent = request->plan.http10 ? 0 : answer.given->plan.interims_count;
    require(interims_count_ == sent, "D1", "{} of {} interim answers to {}", interims_count_, sent,
            request->plan.tag);
  }
  // Of a head that never came whole nobody knows whether it was a HEAD's.
  const bool unknown = answer.given == nullptr && answer.status == 408;
  const bool bodiless =
      (request->plan.method == "HEAD" && !unknown) || answer.status == 204 || answer.status == 304;
  answer.reader = WireBody::of(*head, bodiless, WireBody::Kind::until_close, "D1");
  const bool chunked = answer.reader.kind() == WireBody::Kind::chunked;
  require(!(chunked && request->plan.http10), "D1", "chunks for an HTTP/1.0 client");
  const std::string *const connection = head->find("connection");
  answer.last = request->plan.closes || (connection != nullptr && *connection == "close");
  answer_ = std::move(answer);
  return true;
}

void FakeClient::read_body() {
  const bool whole = answer_->reader.take(in_, answer_->body, "D1");
  if (answer_->given != nullptr)
    books_.check_answer_body(*awaited(), *answer_->given, answer_->body, whole);
  if (whole) settle(answer_->last);
}

void FakeClient::settle(bool last) {
  awaited()->settled = true;
  books_.trace().note("client {} has the answer to {}", index_, awaited()->plan.tag);
  ++next_;
  answer_.reset();
  interims_count_ = 0;
  invited_ = false;
  last_settled_ = last;
}

void FakeClient::on_end() {
  end_seen_ = true;
  const bool reset = end_.was_reset() || resets_;
  books_.trace().note("client {} sees the end{}", index_, reset ? ": a reset" : "");
  if (answer_ && answer_->reader.kind() == WireBody::Kind::until_close && !reset) {
    if (answer_->given != nullptr)
      books_.check_answer_body(*awaited(), *answer_->given, answer_->body, true);
    settle(true);
  }
  end_.close();
}

}  // namespace holdfast::sim
