// A fake client: one connection to the proxy, the requests it pipelines, and the answers it reads,
// each held against the books. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "tests/sim/exchange_books.h"
#include "tests/sim/exchange_sockets.h"

namespace holdfast::sim {

// Lies told to the oracle, to see that it notices: a test of the test.
enum class Meddling : uint8_t {
  none,
  dropped_byte,     // of an answer's body
  swapped_answers,  // two clients get each other's bytes
  cut_as_whole,     // a cut answer gets a last chunk
  hidden_reset,     // of an answer that only the end ends
  lost_answer,      // all bytes of an answer vanish
  changed_request,  // a byte of a request's body
  doubled_request,  // a POST comes twice
  second_host,      // in a forwarded head
  leaked_descriptor,
  hoarded_bytes  // the proxy holds what it should not
};

class FakeClient {
 public:
  FakeClient(size_t index, FarEnd end, ExchangeBooks &books, MonoTime now)
      : opened_at(now), end_(std::move(end)), books_(books), index_(index) {}

  // ---- what it does ----
  void ask(RequestPlan plan);
  bool may_ask() const;  // whether another request may follow
  bool has_unsent() const { return open() && sent_bytes_ < out_.size() && !half_closed_; }
  bool awaits_invitation() const;  // 100 Continue
  size_t write(size_t bytes_max);
  std::string receive(size_t bytes_max) { return end_.read(bytes_max); }
  void on_bytes(std::string bytes);
  void on_end();  // REQUIRES: ended()
  void half_close();
  void leave(bool reset);

  // ---- what is known of it ----
  size_t index() const noexcept { return index_; }
  bool open() const noexcept { return static_cast<bool>(end_) && !end_seen_; }
  bool ended() const noexcept { return end_.ended(); }
  FarEnd &end() noexcept { return end_; }
  // The request whose answer comes next; nullptr: none is left.
  AskedRequest *awaited();
  bool in_answer() const noexcept { return answer_.has_value(); }
  size_t answer_bytes() const noexcept { return answer_ ? answer_->body.size() : 0; }
  bool in_chunks() const { return answer_ && answer_->reader.kind() == WireBody::Kind::chunked; }
  uint64_t sent_bytes() const noexcept { return sent_bytes_; }
  void on_reset_on_close() noexcept { resets_ = true; }
  void forget_reset() noexcept { resets_ = false; }
  bool half_closed() const noexcept { return half_closed_; }
  bool finished() const noexcept { return last_settled_; }
  bool cut_own_request() const noexcept { return cut_own_request_; }
  // No deadline can have been the reason of anything on this connection.
  bool fresh(MonoTime now) const { return now - opened_at < Millis{2000}; }

  MonoTime opened_at;

 private:
  struct Answer {
    int status = 0;
    bool last = false;  // of the connection
    GivenAnswer *given = nullptr;
    WireBody reader;
    std::string body;
  };
  bool read_head();
  void read_body();
  void settle(bool last);

  FarEnd end_;
  ExchangeBooks &books_;
  size_t index_;
  std::vector<uint32_t> tags_;
  size_t next_ = 0;  // of tags_: whose answer comes next
  std::string out_;
  uint64_t sent_bytes_ = 0;
  std::string in_;
  std::optional<Answer> answer_;
  unsigned interims_count_ = 0;  // before the answer that comes next
  bool invited_ = false;
  bool half_closed_ = false;
  bool cut_own_request_ = false;  // left, or sent FIN, inside a request
  bool resets_ = false;
  bool end_seen_ = false;
  bool last_settled_ = false;  // the last answer there will be has come
};

}  // namespace holdfast::sim
