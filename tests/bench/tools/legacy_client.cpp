#include "tests/bench/tools/legacy_client.h"

#include "tests/bench/tools/find_number.h"

namespace holdfast::bench {

LegacyClient::LegacyClient(LoadContext &load, unsigned index)
    : load_(load), stream_(*this), posts_(*this), index_(index) {}

void LegacyClient::start() {
  stream_.open(index_);
  stream_.send(load_.requests.get_stream(load_.settings.legacy_path, ""));
}

LegacyClient::Stream::Stream(LegacyClient &owner_)
    : Client(owner_.load_.engine, owner_.load_.settings, owner_.load_.errors), owner(owner_) {}

void LegacyClient::Stream::on_head(const Head &head) {
  if (head.status != 200 || !head.event_stream) ++errors_.status[head.status];
}

void LegacyClient::Stream::on_event(std::string_view name, std::string_view data) {
  if (name == "endpoint") {
    owner.on_endpoint(data);
  } else {
    owner.on_message(data);
  }
}

LegacyClient::Posts::Posts(LegacyClient &owner_)
    : Client(owner_.load_.engine, owner_.load_.settings, owner_.load_.errors), owner(owner_) {}

void LegacyClient::Posts::on_head(const Head &head) {
  status = head.status;
  close_after = head.close;
}

void LegacyClient::Posts::on_end() {
  if (status / 100 != 2) ++errors_.status[status];
  owner.accepted_ = true;
  if (!close_after) owner.advance();
}

void LegacyClient::Posts::after_read() {
  if (!close_after) return;
  close_after = false;
  ++owner.load_.window.reconnects;
  open(owner.index_);
  owner.advance();
}

void LegacyClient::on_endpoint(std::string_view target) {
  if (target.starts_with("http://")) target = target.substr(target.find('/', 7));  // same server
  path_.assign(target);
  posts_.open(index_);
  id_ = ++load_.next_id;
  posts_.send(load_.requests.initialize(path_, id_));
}

void LegacyClient::on_message(std::string_view data) {
  uint64_t id = 0;
  if (!find_number(data, "\"id\":", id)) return;  // a notification
  if (id != id_) ++load_.errors.wrong_id;
  replied_ = true;
  advance();
}

// The next step once both the 202 and the event have arrived.
void LegacyClient::advance() {
  if (!accepted_ || (!replied_ && state_ != State::initialized)) return;
  accepted_ = replied_ = false;
  if (state_ == State::initialize) {
    state_ = State::initialized;
    posts_.send(load_.requests.post(path_, "", kInitialized));
    return;
  }
  if (state_ == State::initialized) {
    state_ = State::calling;
    call_.build(load_.requests, path_, "");
    ++load_.ready;
  } else {
    load_.window.count(sent_ns_);
  }
  sent_ns_ = now_ns();
  id_ = ++load_.next_id;
  call_.send(posts_, id_);
}

}  // namespace holdfast::bench
