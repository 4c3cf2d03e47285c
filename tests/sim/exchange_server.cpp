#include "tests/sim/exchange_server.h"

#include <algorithm>

namespace holdfast::sim {

void FakeServer::establish() {
  if (established_) return;
  books_.trace().note("server {} is reached", index_);
  established_ = true;
  end_.unstuff();
}

void FakeServer::on_bytes(std::string_view bytes) {
  books_.trace().note("server {} reads {} bytes", index_, bytes.size());
  in_ += bytes;
  request_read_bytes_ += bytes.size();
  while (!in_.empty()) {
    if (request_ == nullptr && !read_head()) return;
    if (!request_whole_) {
      const bool whole = reader_.take(in_, body_, "D3");
      books_.check_request_body(*request_, body_, whole);
      if (!whole) return;
      request_whole_ = request_->arrived = true;
      books_.trace().note("server {} has all of request {}", index_, request_->plan.tag);
      if (answer_done_) end_exchange();
    } else if (holds_surplus()) {
      drop_surplus();
      finish_answer();
    } else {
      require(in_.empty(), "D3", "server {} gets {} bytes behind request {}", index_, in_.size(),
              request_->plan.tag);
    }
  }
}

bool FakeServer::read_head() {
  auto head = take_head(in_, "D3");
  if (!head) return false;
  AskedRequest &request = books_.on_request_head(*head);
  require(!spoiled_, "D5", "request {} comes on a connection with surplus bytes", request.plan.tag);
  books_.trace().note("server {} gets request {}", index_, request.plan.tag);
  request_ = &request;
  request_whole_ = false;
  wrote_ = stray_;
  body_.clear();
  reader_ = WireBody::of(*head, false, WireBody::Kind::none, "D3");
  if (half_closed_ || stray_) note_broken();  // its answer can no longer come
  books_.on_request_seen(request);
  if (in_.empty() && reader_.take(in_, body_, "D3")) {
    books_.check_request_body(request, body_, true);
    request_whole_ = request.arrived = true;
  }
  answer_ = &books_.give(draw_(request.plan));
  const AnswerPlan &plan = answer_->plan;
  books_.trace().note("server {} has answer {}: {} kind {} flaw {} end {}{}", index_, plan.id,
                      plan.status, static_cast<int>(plan.kind), static_cast<int>(plan.flaw),
                      static_cast<int>(plan.end), plan.early ? " early" : "");
  return true;
}

bool FakeServer::has_unsent() const {
  return open() && established_ && answer_ != nullptr && !half_closed_ &&
         (request_whole_ || answer_->plan.early) && answer_->sent_bytes < answer_->plan.wire.size();
}

bool FakeServer::silent() const {
  return request_ != nullptr && !has_unsent() && (answer_ == nullptr || !answer_->whole);
}

// The answer is out, the surplus behind it is not: the proxy may take the connection.
bool FakeServer::holds_surplus() const {
  return request_whole_ && answer_ != nullptr && answer_->sent_bytes == answer_->plan.whole_bytes &&
         answer_->plan.wire.size() > answer_->plan.whole_bytes;
}

// What comes behind an answer when the next request is on its way already is taken for that one's
// answer by anybody, and an end for its end: not here.
void FakeServer::drop_surplus() {
  answer_->plan.wire.resize(answer_->plan.whole_bytes);
  answer_->plan.end = AnswerPlan::End::keep;
}

size_t FakeServer::write(size_t bytes_max) {
  AnswerPlan &plan = answer_->plan;
  if (holds_surplus() && end_.bytes_for_us() > 0) drop_surplus();
  const size_t sent =
      end_.write(std::string_view(plan.wire).substr(answer_->sent_bytes, bytes_max));
  answer_->sent_bytes += sent;
  if (sent > 0) wrote_ = true;
  if (sent > 0 && !plan.good()) note_broken();  // the proxy may see it before all of it is sent
  books_.trace().note("server {} writes {} of the answer {} to {}: {}/{}", index_, sent, plan.id,
                      plan.tag, answer_->sent_bytes, plan.wire.size());
  if (answer_->sent_bytes >= plan.whole_bytes && plan.good() && !plan.to_close)
    answer_->whole = true;
  if (answer_->sent_bytes > plan.whole_bytes) spoiled_ = true;
  if (answer_->sent_bytes == plan.wire.size()) finish_answer();
  return sent;
}

void FakeServer::finish_answer() {
  const AnswerPlan plan = answer_->plan;
  if (plan.flaw == AnswerPlan::Flaw::silence) return;
  if (!plan.good()) note_broken();
  ++answers_count_;
  answer_done_ = true;
  switch (plan.end) {
    case AnswerPlan::End::keep:
      break;
    case AnswerPlan::End::half_close:
      half_close();
      break;
    case AnswerPlan::End::close:
    case AnswerPlan::End::reset:
      leave(plan.end == AnswerPlan::End::reset);
      return;
  }
  if (request_whole_) end_exchange();
}

// The connection is free for the next request.
void FakeServer::end_exchange() {
  request_ = nullptr;
  answer_ = nullptr;
  request_whole_ = answer_done_ = false;
  request_read_bytes_ = 0;
}

void FakeServer::write_stray(std::string_view bytes) {
  books_.trace().note("server {} writes stray bytes", index_);
  if (end_.write(bytes) == 0) return;
  stray_ = wrote_ = true;
  note_broken();
}

// Whoever is served here, or is on its way here, gets no answer by this connection.
void FakeServer::note_broken() {
  books_.servers_failed = true;
  if (request_ == nullptr) {
    if (answers_count_ == 0 || !in_.empty()) books_.break_in_flight();  // it is one of them
    return;
  }
  request_->broken = true;
  // D3: what never had a byte of an answer, on a connection that had served before, may be asked
  // again where asking is safe.
  if (wrote_ || answers_count_ == 0 || excused_ == request_) return;
  excused_ = request_;
  if (request_->plan.resendable()) ++request_->unheard_count;
}

void FakeServer::half_close() {
  books_.trace().note("server {} half-closes", index_);
  half_closed_ = true;
  note_fin();
  if (answer_ == nullptr || !answer_->whole) note_broken();
  end_.half_close();
}

// A FIN ends an answer that only the connection's end ends wherever it stands: what was sent is all
// of it.
void FakeServer::note_fin() {
  if (answer_ == nullptr || !answer_->plan.to_close || answer_->whole) return;
  AnswerPlan &plan = answer_->plan;
  if (plan.flaw == AnswerPlan::Flaw::head || answer_->sent_bytes < plan.head_bytes) return;
  plan.body.resize(std::min(plan.body.size(), answer_->sent_bytes - plan.head_bytes));
  answer_->whole = true;
}

void FakeServer::leave(bool reset) {
  books_.trace().note("server {} {}", index_, reset ? "resets" : "leaves");
  if (!reset) note_fin();
  // What was sent here counts as sent, read or not.
  for (std::string rest = end_.read(1 << 18); established_ && !rest.empty();
       rest = end_.read(1 << 18)) {
    on_bytes(rest);
  }
  if (answer_ == nullptr || !answer_->whole) note_broken();
  if (reset) {
    end_.reset();
  } else {
    end_.close();
  }
}

void FakeServer::on_end() {
  books_.trace().note("server {} sees the proxy's end", index_);
  end_.close();
}

}  // namespace holdfast::sim
