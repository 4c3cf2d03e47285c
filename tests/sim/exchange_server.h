// A fake backend's end of one connection: reads requests, holds them against the books, writes the
// answers drawn for them, and misbehaves as they say. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tests/sim/exchange_books.h"
#include "tests/sim/exchange_sockets.h"

namespace holdfast::sim {

class FakeServer {
 public:
  // How an answer to this request is drawn.
  using Draw = std::function<AnswerPlan(const RequestPlan &request)>;

  // `established`: false while the proxy waits for its connect().
  FakeServer(size_t index, FarEnd end, bool established, ExchangeBooks &books, Draw draw)
      : end_(std::move(end)),
        books_(books),
        draw_(std::move(draw)),
        index_(index),
        established_(established) {}

  // ---- what it does ----
  void establish();
  void on_bytes(std::string_view bytes);
  std::string receive(size_t bytes_max) { return end_.read(bytes_max); }
  void on_end();            // REQUIRES: ended()
  bool has_unsent() const;  // of an answer whose time has come
  size_t write(size_t bytes_max);
  void write_stray(std::string_view bytes);  // what nobody asked for
  void half_close();
  void leave(bool reset);

  // ---- what is known of it ----
  size_t index() const noexcept { return index_; }
  bool open() const noexcept { return static_cast<bool>(end_); }
  bool ended() const noexcept { return end_.ended(); }
  bool established() const noexcept { return established_; }
  FarEnd &end() noexcept { return end_; }
  // The request this connection is about; nullptr: it is idle.
  AskedRequest *request() noexcept { return request_; }
  const AnswerPlan *answer() const { return answer_ != nullptr ? &answer_->plan : nullptr; }
  bool silent() const;  // nothing more will be written, and the request waits
  uint64_t answer_sent_bytes() const { return answer_ != nullptr ? answer_->sent_bytes : 0; }
  uint64_t request_read_bytes() const noexcept { return request_read_bytes_; }
  bool request_whole() const noexcept { return request_whole_; }
  bool half_closed() const noexcept { return half_closed_; }
  bool served() const noexcept { return answers_count_ > 0; }
  // What comes here is lost.
  bool doubtful() const noexcept { return half_closed_ || stray_; }

 private:
  bool read_head();
  bool holds_surplus() const;
  void drop_surplus();
  void finish_answer();
  void end_exchange();
  void note_broken();
  void note_fin();

  FarEnd end_;
  ExchangeBooks &books_;
  Draw draw_;
  size_t index_;
  bool established_;
  std::string in_;
  AskedRequest *request_ = nullptr;        // in the books, which keep it
  const AskedRequest *excused_ = nullptr;  // was told of as unheard
  GivenAnswer *answer_ = nullptr;
  WireBody reader_;
  std::string body_;
  uint64_t request_read_bytes_ = 0;
  unsigned answers_count_ = 0;
  bool request_whole_ = false;
  bool answer_done_ = false;  // all that there will be of it is written
  bool wrote_ = false;        // a byte since the last request was whole or begun
  bool half_closed_ = false;
  bool spoiled_ = false;  // no request may begin here any more
  bool stray_ = false;    // something nobody asked for stands before the next answer
};

}  // namespace holdfast::sim
