#include "tests/bench/tools/session_client.h"

#include <algorithm>

#include "tests/bench/tools/find_number.h"

namespace holdfast::bench {
namespace {

constexpr uint64_t kStuckNs = 2'000'000'000;
constexpr uint64_t kReconnectsMax = 10'000;  // a dead target must not make this spin for ever
constexpr int kSlowReceiveBuffer = 64 * 1024;

bool is_success(int status) { return status / 100 == 2; }

}  // namespace

void SessionClient::start(unsigned index) {
  index_ = index;
  session_.clear();
  step_ = Step::initialize;
  open(index, receive_buffer_);
  id_ = ++load_.next_id;
  send(load_.requests.initialize(settings_.path, id_));
}

void SessionClient::on_head(const Head &head) {
  status_ = head.status;
  close_after_ = head.close;
  reply_.begin();
  if (step_ == Step::initialize) session_.assign(head.session);
}

void SessionClient::on_end() {
  if (step_ == Step::initialize) {
    if (status_ != 200) {
      give_up(errors_.status[status_]);
    } else if (session_.empty()) {
      give_up(errors_.no_session);
    } else if (!reply_.has_id(id_)) {
      give_up(errors_.wrong_id);
    } else {
      step_ = Step::initialized;
      send(load_.requests.post(settings_.path, session_, kInitialized));
    }
  } else if (step_ == Step::initialized) {
    if (!is_success(status_)) {
      give_up(errors_.status[status_]);
      return;
    }
    step_ = Step::ready;
    session_ready();
  }
}

void SessionClient::on_closed() {
  if (step_ != Step::failed) ++errors_.closed;
  step_ = Step::failed;
}

void SessionClient::give_up(uint64_t &counter) {
  ++counter;
  step_ = Step::failed;
}

bool CallClient::stuck() const { return is_open() && busy_ && now_ns() - sent_ns_ > kStuckNs; }

void CallClient::session_ready() {
  call_.build(load_.requests, settings_.path, session_);
  ++load_.ready;
  next();
}

void CallClient::on_end() {
  if (step_ != Step::ready) {
    SessionClient::on_end();
    return;
  }
  busy_ = false;
  check_reply();
  if (!close_after_) next();
}

void CallClient::check_reply() {
  if (status_ != 200) {
    ++errors_.status[status_];
  } else if (!reply_.has_id(id_)) {
    ++errors_.wrong_id;
  } else if (reply_.bytes() < settings_.expect_bytes) {
    ++errors_.short_body;
  } else {
    load_.window.count(sent_ns_);
    if (load_.window.open) load_.window.bytes += reply_.bytes();
  }
}

// The server announced the close: no error, but counted.
void CallClient::after_read() {
  if (close_after_ && step_ == Step::ready && !busy_) reconnect();
}

void CallClient::on_closed() {
  ++errors_.closed;
  if (step_ == Step::ready && errors_.closed < kReconnectsMax) reconnect();
}

void CallClient::reconnect() {
  ++load_.window.reconnects;
  close_after_ = false;
  open(index_);
  next();
}

void CallClient::next() {
  sent_ns_ = now_ns();
  busy_ = true;
  id_ = ++load_.next_id;
  call_.send(*this, id_);
}

void ChurnClient::begin(unsigned index) {
  begun_ns_ = now_ns();
  phase_ = Phase::session;
  start(index);
}

void ChurnClient::session_ready() {
  phase_ = Phase::call;
  call_.build(load_.requests, settings_.path, session_);
  id_ = ++load_.next_id;
  call_.send(*this, id_);
}

void ChurnClient::on_end() {
  if (phase_ == Phase::session) {
    SessionClient::on_end();
    return;
  }
  if (!is_success(status_)) {
    ++errors_.status[status_];
    ok_ = false;
  }
  if (phase_ != Phase::call) {
    phase_ = Phase::over;
    return;
  }
  if (!reply_.has_id(id_)) {
    ++errors_.wrong_id;
    ok_ = false;
  }
  phase_ = Phase::end;
  send(load_.requests.delete_session(session_));
}

void ChurnClient::after_read() {
  if (phase_ != Phase::over && step_ != Step::failed) return;
  if (phase_ == Phase::over && ok_) load_.window.count(begun_ns_);
  close_socket();
  if (settings_.sessions > 0 && load_.window.done >= settings_.sessions) {
    load_.engine.stop();
  } else {
    again();
  }
}

void ChurnClient::on_closed() {
  ++errors_.closed;
  if (errors_.closed < kReconnectsMax) again();
}

void ChurnClient::again() {
  ok_ = true;
  begin(index_);
}

StreamClient::StreamClient(LoadContext &load, StreamTotals &totals, bool slow)
    : SessionClient(load), totals_(totals), slow_(slow) {
  if (slow) receive_buffer_ = kSlowReceiveBuffer;
}

void StreamClient::session_ready() { send(load_.requests.get_stream(settings_.path, session_)); }

void StreamClient::on_head(const Head &head) {
  SessionClient::on_head(head);
  if (step_ != Step::ready) return;
  if (head.status != 200 || !head.event_stream) {
    give_up(errors_.status[head.status]);
    return;
  }
  streaming_ = true;
  ++totals_.open;
  ++load_.ready;
  if (on_open) on_open();
}

void StreamClient::on_body(std::string_view bytes) {
  if (streaming_) {
    sse_.feed(bytes, *this);
  } else {
    SessionClient::on_body(bytes);
  }
}

void StreamClient::on_event(std::string_view, std::string_view data) {
  uint64_t seq = 0;
  uint64_t sent_ns = 0;
  if (!find_number(data, "\"seq\":", seq) || !find_number(data, "\"ts\":", sent_ns)) return;
  if (seq > next_seq_) errors_.lost += seq - next_seq_;
  if (seq < next_seq_) ++errors_.reordered;
  next_seq_ = std::max(next_seq_, seq + 1);
  ++totals_.events;
  if (!slow_) load_.window.count(sent_ns);
}

void StreamClient::on_end() {
  if (!streaming_) {
    SessionClient::on_end();
    return;
  }
  close_socket();
  on_closed();
}

void StreamClient::on_closed() {
  if (!streaming_) {
    SessionClient::on_closed();
    return;
  }
  streaming_ = false;
  step_ = Step::failed;
  --totals_.open;
  ++totals_.died;
}

}  // namespace holdfast::bench
