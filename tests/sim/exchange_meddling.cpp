// Lies told to the oracle where bytes pass from the proxy to it: what a faulty proxy would do.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "tests/sim/exchange_world.h"

namespace holdfast::sim {

void ExchangeWorld::meddle_with_answer(FakeClient &client, std::string &bytes) {
  if (meddling_ == Meddling::none || bytes.empty()) return;
  if (meddling_ == Meddling::lost_answer) {
    if (robbed_ == 0 && !client.in_answer()) robbed_ = client.index();
    if (client.index() == robbed_) bytes.clear();
  }
  if (meddling_ == Meddling::hoarded_bytes && client.in_answer()) {
    const GivenAnswer *const given = books_.answer(client.awaited()->answer);
    if (given == nullptr || given->plan.wire.size() < 120'000) return;
    hoard_ += bytes;
    bytes.clear();
    if (hoard_.size() > 110'000) bytes.swap(hoard_);
  }
  if (meddled_) return;
  if (meddling_ == Meddling::dropped_byte && client.in_answer()) {
    bytes.pop_back();
    meddled_ = true;
  }
  if (meddling_ == Meddling::swapped_answers && !client.in_answer()) {
    const auto other = std::find_if(clients_.begin(), clients_.end(), [&](const auto &c) {
      return c.get() != &client && c->open() && !c->in_answer() && c->awaited() != nullptr &&
             c->awaited()->begun;
    });
    if (other == clients_.end()) return;
    meddled_ = true;
    (*other)->on_bytes(std::move(bytes));
    bytes.clear();
  }
}

void ExchangeWorld::meddle_with_end(FakeClient &client) {
  if (meddling_ == Meddling::cut_as_whole && client.in_chunks()) client.on_bytes("0\r\n\r\n");
  if (meddling_ == Meddling::hidden_reset) client.forget_reset();
}

void ExchangeWorld::meddle_with_request(FakeServer &server, std::string &bytes) {
  if (meddled_ || bytes.empty()) return;
  if (meddling_ == Meddling::changed_request && server.request() != nullptr) {
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    meddled_ = true;
  }
  const bool whole_head = bytes.find("\r\n\r\n") != std::string::npos;
  if (!whole_head || !bytes.starts_with("POST")) return;
  if (meddling_ == Meddling::second_host) {
    bytes.insert(bytes.find("\r\n") + 2, "Host: other\r\n");
    meddled_ = true;
  }
  if (meddling_ == Meddling::doubled_request) {
    meddled_ = true;
    FakeServer ghost(0, FarEnd(), true, books_, [this](const RequestPlan &request) {
      return AnswerPlan::draw(rng_, ++last_answer_, request, shape_);
    });
    ghost.on_bytes(bytes);
  }
}

void ExchangeWorld::meddle() {
  if (meddling_ != Meddling::leaked_descriptor || leaked_ || servers_.empty()) return;
  leaked_.reset(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
}

}  // namespace holdfast::sim
