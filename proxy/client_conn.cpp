#include "proxy/client_conn.h"

#include <algorithm>

#include "common/log.h"
#include "proxy/http/head_writer.h"
#include "proxy/route.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

constexpr timeval kNextTurn{0, 0};

StreamReason reason_of_loss(bool host_gone) {
  return host_gone ? StreamReason::client_vanished : StreamReason::client_closed;
}

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

ClientConn::ClientConn(Worker &worker, UniqueFd fd, size_t listener, const SocketAddress &peer)
    : worker_(worker),
      config_(worker.config()),
      stream_(std::move(fd)),
      timer_(worker.wheel(), *this),
      peer_ip_(peer.ip()),
      listener_(static_cast<uint32_t>(listener)),
      peer_port_(peer.port()) {
  trusted_ = is_trusted(peer);
  read_event_.set(worker.base(), stream_.fd(), EV_READ | EV_PERSIST, &on_readable_c, this);
  (void)event_add(read_event_.get(), nullptr);
  if (this->listener().tls) start_tls();
  due_ = worker.now() + config_->servers[this->listener().default_server].client_header_timeout;
  timer_.arm(due_);
  worker.counters().add(Counter::connections_accepted);
  worker.counters().add(Counter::connections_open);
}

// The handshake happens within the first reads; it has to be over when the head's deadline comes.
void ClientConn::start_tls() {
  const TlsContext &context = config_->servers[listener().default_server].tls;
  tls_ = true;
  stream_.set_tls(TlsStream::accept(context, stream_.fd(), {&choose_tls, this}));
  broken_ = stream_.tls() == nullptr;  // out of memory: the first event finds it so
}

TlsContext ClientConn::choose_tls(const void *self, std::string_view name) {
  const auto *conn = static_cast<const ClientConn *>(self);
  return find_server(*conn->config_, conn->listener(), name).tls;
}

// An exchange that is still here was not let finish: the process ends.
ClientConn::~ClientConn() {
  worker_.counters().add(Counter::connections_open, -1);
  if (exchange_ && exchange_->ends_with_connection()) stream_.reset_on_close();
}

void ClientConn::on_readable() {
  if (broken_) {
    close(reason_of_loss(host_gone_));
    return;
  }
  if (state_ != State::open) {
    discard();
    return;
  }
  if ((paused_ & kPausedByPipeline) != 0) {  // woken by bytes we do not want yet, or by the end
    if (stream_.broken()) close(StreamReason::client_closed);
    return;
  }
  if (stream_.writes_when_readable()) on_writable();
  const bool turn = !exchange_ || !exchange_->request_complete();
  if (turn && paused_ == 0 && holds_input()) {  // woken for what had to wait
    const std::string waited = take_input();
    process(waited);
  }
  Scratch &scratch = worker_.scratch();
  for (size_t taken = 0; taken < kReadBytesMax && state_ == State::open && paused_ == 0;) {
    const size_t asked =
        read_size_.next(taken, [this] { return exchange_ ? exchange_->room_for_request() : 0; });
    const IoResult got = stream_.read(scratch.receive.data(), asked);
    if (got.status == IoStatus::would_block) break;
    if (got.status == IoStatus::eof) {
      on_eof();
      return;
    }
    if (got.status == IoStatus::failed) {
      on_read_failed(got);
      return;
    }
    taken += got.bytes;
    read_size_.note(got.bytes);
    worker_.counters().add(Counter::bytes_from_clients, static_cast<int64_t>(got.bytes));
    if (!holds_input()) {
      process({scratch.receive.data(), got.bytes});
    } else {
      std::string joined = take_input();
      joined.append(scratch.receive.data(), got.bytes);
      process(joined);
    }
    if (got.bytes < asked) break;
  }
  wait_for_more();
}

// Sees to what only TLS needs: the kernel does not know what lies decrypted here, nor that a read
// waits for room to write. The next turn of the loop, so that others have theirs.
void ClientConn::wait_for_more() {
  if (state_ != State::open || stream_.tls() == nullptr) return;
  if (stream_.reads_when_writable()) set_write_interest(true);
  if (stream_.holds_input() && paused_ == 0) read_again();
}

void ClientConn::read_again() {
  if (!again_event_) again_event_.reset(event_new(worker_.base(), -1, 0, &on_readable_c, this));
  (void)event_add(again_event_.get(), &kNextTurn);
}

void ClientConn::on_read_failed(const IoResult &failed) {
  TlsStream *tls = stream_.tls();
  // A connection that never said a word was a probe.
  if (tls == nullptr || !tls->handshaking() || !tls->heard()) {
    close(reason_of_loss(failed.host_gone()));
    return;
  }
  worker_.note_handshake_failure(peer_ip_, *tls);
  if (!tls->met_plain_http()) {
    close(StreamReason::client_closed);
    return;
  }
  stream_.set_tls(nullptr);
  refuse(400, "The plain HTTP request was sent to HTTPS port\n");
}

void ClientConn::process(std::string_view bytes) {
  processing_ = true;
  while (state_ == State::open) {
    if (exchange_ && exchange_->request_complete()) {  // the next request waits its turn
      if (!bytes.empty()) stash(bytes);
      break;
    }
    if (bytes.empty()) break;
    if (exchange_) {
      if ((paused_ & kPausedByExchange) != 0) {
        stash(bytes);
        break;
      }
      bytes.remove_prefix(exchange_->on_client_bytes(bytes));
    } else if (!parse_head(bytes)) {
      break;
    }
    settle();
  }
  processing_ = false;
  arm_for_input();
}

// False: nothing more can be done with these bytes now.
bool ClientConn::parse_head(std::string_view &bytes) {
  http::RequestHead &head = worker_.scratch().request;
  http::RequestParser fresh;
  http::RequestParser &parser = held_ ? held_->parser : fresh;
  switch (parser.parse(bytes, head)) {
    case http::HeadState::incomplete:
      if (!held_) held_ = std::make_unique<Held>(Held{{}, fresh});
      stash(bytes);
      return false;
    case http::HeadState::failed:
      refuse(parser.error().status, std::string(parser.error().reason) + "\n");
      return false;
    case http::HeadState::complete:
      break;
  }
  const size_t head_bytes = parser.head_bytes();
  held_.reset();
  head_started_ = false;
  adopt_config();
  exchange_ = std::make_unique<Exchange>(worker_, *this);
  const size_t body_bytes =
      exchange_->start(head, bytes.substr(0, head_bytes), bytes.substr(head_bytes));
  bytes.remove_prefix(head_bytes + body_bytes);
  return true;
}

void ClientConn::stash(std::string_view bytes) {
  if (!held_) held_ = std::make_unique<Held>();
  held_->bytes.assign(bytes);
  if (exchange_ && exchange_->request_complete() && bytes.size() >= kPipelinedBytesMax)
    set_pause(kPausedByPipeline, true);
}

// What waited; bytes that come after it go behind. REQUIRES: holds_input().
std::string ClientConn::take_input() {
  std::string bytes = std::move(held_->bytes);
  if (held_->parser.started()) {
    held_->bytes.clear();  // they are shown to it again, with more
  } else {
    held_.reset();
  }
  return bytes;
}

bool ClientConn::is_trusted(const SocketAddress &peer) const {
  return peer.is_unix() ? config_->trusts_unix_peers : config_->is_trusted_proxy(peer);
}

// A reload took place since the last request: this one is served by the new configuration, if the
// listener it came in by is still in it.
void ClientConn::adopt_config() {
  const std::shared_ptr<const Config> &current = worker_.config();
  if (config_ == current) return;
  for (size_t i = 0; i < current->listeners.size(); ++i) {
    if (current->listeners[i].text != listener().text || current->listeners[i].tls != tls_)
      continue;
    config_ = current;
    listener_ = static_cast<uint32_t>(i);
    // What is no address is the name all Unix peers have.
    const auto peer = SocketAddress::numeric(peer_ip_, peer_port_);
    trusted_ = peer ? is_trusted(*peer) : config_->trusts_unix_peers;
    return;
  }
  closing_ = true;
}

// Deadlines for what the client still owes: a head, or the rest of a body.
void ClientConn::arm_for_input() {
  if (state_ != State::open) return;
  const MonoTime now = worker_.now();
  if (!exchange_) {
    if (holds_input() && !head_started_ && held_->parser.started()) {
      head_started_ = true;
      due_ = now + config_->servers[listener().default_server].client_header_timeout;
      timer_.arm(due_);
    }
    return;
  }
  due_ = MonoTime::max();
  if (exchange_->request_complete()) return;
  const Server &server = config_->servers[listener().default_server];
  BodyDeadlines &body = exchange_->body_deadlines();
  body.stall = now + server.client_body_timeout;
  if (body.total == MonoTime::max()) body.total = now + server.client_body_total;
  const MonoTime first = body.first();
  if (!timer_.armed() || timer_.due() > first) timer_.arm(first);
}

void ClientConn::on_deadline(WheelTimer &) {
  const MonoTime now = worker_.now();
  if (state_ == State::lingering || state_ == State::flushing) {
    close(StreamReason::client_closed);
    return;
  }
  const bool paused = (paused_ & kPausedByExchange) != 0;
  BodyDeadlines *const body =
      exchange_ && !exchange_->request_complete() ? &exchange_->body_deadlines() : nullptr;
  if (body != nullptr && !paused && body->first() <= now) {
    exchange_->on_request_timeout();
    return;
  }
  if (!exchange_ && due_ <= now) {
    if (!head_started_) {  // silent: nothing was asked
      close(StreamReason::client_closed);
      return;
    }
    refuse(408, "the request head did not arrive in time\n");
    return;
  }
  if (paused && body != nullptr) {
    // We do not let it send: its clocks stand still.
    const Millis patience = config_->servers[listener().default_server].client_body_timeout;
    body->stall = now + patience;
    if (body->total != MonoTime::max()) body->total += patience;
  }
  const MonoTime due = body != nullptr ? std::min(due_, body->first()) : due_;
  if (due != MonoTime::max()) timer_.arm(due);
}

// Answers what never became a request, and ends the connection.
void ClientConn::refuse(int status, std::string_view body) {
  worker_.counters().add(Counter::protocol_errors);
  std::string text;
  http::OwnResponse own;
  own.status = status;
  own.body = body;
  own.keep_alive = false;
  own.date = worker_.http_date();
  http::write_own_response(text, own);
  const iovec all{text.data(), text.size()};
  send({&all, 1});
  linger();
}

void ClientConn::send(std::span<const iovec> pieces) {
  if (broken_ || state_ == State::gone) return;
  const uint64_t before = output_.sent_bytes();
  const Output::Status status = output_.write(stream_, pieces);
  worker_.counters().add(Counter::bytes_to_clients,
                         static_cast<int64_t>(output_.sent_bytes() - before));
  if (status == Output::Status::pending) {
    if (!stream_.writes_when_readable()) set_write_interest(true);
  } else if (status != Output::Status::sent) {
    // Told to the exchange from the loop, never from inside its own call.
    broken_ = true;
    host_gone_ = status == Output::Status::host_gone;
    event_active(read_event_.get(), EV_READ, 0);
  }
}

void ClientConn::send_continue() {
  const iovec all{const_cast<char *>(kContinue.data()), kContinue.size()};  // only read from
  send({&all, 1});
}

void ClientConn::on_writable() {
  if (broken_) return;
  const uint64_t before = output_.sent_bytes();
  const Output::Status status = output_.flush(stream_);
  worker_.counters().add(Counter::bytes_to_clients,
                         static_cast<int64_t>(output_.sent_bytes() - before));
  if (status == Output::Status::failed || status == Output::Status::host_gone) {
    close(reason_of_loss(status == Output::Status::host_gone));
    return;
  }
  if (status == Output::Status::pending) {
    if (stream_.writes_when_readable()) set_write_interest(false);
    if (exchange_) exchange_->on_client_progress();
    return;
  }
  set_write_interest(false);
  if (stream_.reads_when_writable()) read_again();
  if (state_ == State::flushing) {
    linger();
  } else if (exchange_) {
    exchange_->on_client_writable();
  }
}

void ClientConn::exchange_done(bool keep_alive) {
  exchange_over_ = true;
  keep_alive_ = keep_alive && !closing_ && !(half_closed_ && !holds_input());
  if (!processing_) settle();
}

// After an exchange: the next request, or the end of the connection.
void ClientConn::settle() {
  if (!exchange_over_) return;
  exchange_over_ = false;
  const Server &server = config_->servers[listener().default_server];
  worker_.bury(std::move(exchange_));
  set_pause(kPausedByExchange, false);
  set_pause(kPausedByPipeline, false);
  if (!keep_alive_ || server.keepalive_timeout == Millis{0}) {
    linger();
    return;
  }
  due_ = worker_.now() + server.keepalive_timeout;
  if (!timer_.armed() || timer_.due() > due_) timer_.arm(due_);
  // What already waits is taken up from the loop: no recursion from request to request.
  if (!processing_ && holds_input()) event_active(read_event_.get(), EV_READ, 0);
}

void ClientConn::abort(bool reset) {
  if (exchange_) worker_.bury(std::move(exchange_));
  exchange_over_ = false;
  if (reset || broken_) {
    if (reset) stream_.reset_on_close();
    close(StreamReason::client_closed);
    return;
  }
  linger();
}

// FIN, then a while of listening: an answer sent while the client still writes would be lost to
// RST.
void ClientConn::linger() {
  if (state_ == State::gone) return;
  held_.reset();
  timer_.arm(worker_.now() + kLingerTime);
  if (output_.unsent_bytes() > 0) {
    state_ = State::flushing;
    return;
  }
  stream_.shutdown_write();
  state_ = State::lingering;
  if (half_closed_) {
    close(StreamReason::complete);
    return;
  }
  paused_ = 0;
  set_edge_triggered(false);
  (void)event_add(read_event_.get(), nullptr);
}

void ClientConn::discard() {
  Scratch &scratch = worker_.scratch();
  for (;;) {
    const IoResult got = stream_.read(scratch.receive.data(), kReadBytes);
    if (got.status == IoStatus::would_block) return;
    lingered_bytes_ += static_cast<uint32_t>(got.bytes);  // of one read beyond its bound
    if (got.status != IoStatus::ok || lingered_bytes_ > kLingerBytesMax) {
      if (state_ == State::lingering || got.status == IoStatus::failed) {
        close(StreamReason::complete);
      } else {
        (void)event_del(read_event_.get());  // still flushing: the deadline bounds it
      }
      return;
    }
  }
}

void ClientConn::on_eof() {
  // After FIN a read says end for ever, also when an RST has come: only SO_ERROR tells.
  if (half_closed_ && exchange_ && !stream_.broken()) return;
  if (half_closed_ || !exchange_ || !exchange_->request_complete() || exchange_->fin_cancels()) {
    close(StreamReason::client_closed);
    return;
  }
  // The request is whole: its answer is still wanted. Edge-triggered from here on, or the FIN would
  // wake us for ever; an RST still does.
  half_closed_ = true;
  set_edge_triggered(true);
  exchange_->on_client_half_closed();
}

// While nothing is read, only an edge tells of the connection's end without waking us for ever. All
// events of a descriptor share its epoll entry: the old ones go before a new one comes.
void ClientConn::set_edge_triggered(bool on) {
  if (edge_triggered_ == on) return;
  edge_triggered_ = on;
  const bool writes = write_event_ != nullptr;
  read_event_.reset();
  write_event_.reset();
  const short flags = static_cast<short>(EV_READ | EV_PERSIST | (on ? EV_ET : 0));
  read_event_.set(worker_.base(), stream_.fd(), flags, &on_readable_c, this);
  (void)event_add(read_event_.get(), nullptr);
  if (writes) set_write_interest(true);
}

void ClientConn::close(StreamReason reason) {
  if (state_ == State::gone) return;
  if (state_ == State::open && !exchange_ && !broken_) stream_.close_notify();
  state_ = State::gone;
  timer_.disarm();
  read_event_.reset();
  write_event_.reset();
  again_event_.reset();
  if (exchange_) {
    // Its client may only have stopped writing, in the middle of its request.
    if (exchange_->ends_with_connection()) stream_.reset_on_close();
    if (exchange_->on_client_gone(reason)) {
      worker_.adopt(std::move(exchange_));
    } else {
      worker_.bury(std::move(exchange_));
    }
  }
  worker_.remove(*this);
}

void ClientConn::close_when_idle() {
  closing_ = true;
  if (!exchange_ && state_ == State::open) close(StreamReason::shutdown);
}

void ClientConn::pause_reading(bool paused) {
  const bool was = paused_ != 0;
  if (!paused && (paused_ & kPausedByExchange) != 0 && exchange_ &&
      !exchange_->request_complete()) {
    BodyDeadlines &body = exchange_->body_deadlines();
    if (body.stall != MonoTime::max())
      body.stall = worker_.now() + config_->servers[listener().default_server].client_body_timeout;
  }
  set_pause(kPausedByExchange, paused);
  if (was && paused_ == 0 && holds_input() && !processing_)
    event_active(read_event_.get(), EV_READ, 0);
}

void ClientConn::set_pause(uint8_t reason, bool on) {
  const uint8_t before = paused_;
  paused_ = static_cast<uint8_t>(on ? paused_ | reason : paused_ & ~reason);
  if ((before == 0) == (paused_ == 0) || half_closed_ || state_ == State::gone) return;
  if (paused_ == kPausedByPipeline) {  // for as long as a silent call takes: its end is watched
    set_edge_triggered(true);
  } else if (paused_ != 0) {
    (void)event_del(read_event_.get());
  } else if (edge_triggered_) {
    set_edge_triggered(false);
    wait_for_more();
  } else {
    (void)event_add(read_event_.get(), nullptr);
    wait_for_more();
  }
}

void ClientConn::set_write_interest(bool on) {
  if (!on) {
    write_event_.reset();
    return;
  }
  if (write_event_) return;
  write_event_.reset(
      event_new(worker_.base(), stream_.fd(),
                static_cast<short>(EV_WRITE | EV_PERSIST | (edge_triggered_ ? EV_ET : 0)),
                &on_writable_c, this));
  (void)event_add(write_event_.get(), nullptr);
}

void ClientConn::on_readable_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<ClientConn *>(self)->on_readable();
}
void ClientConn::on_writable_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<ClientConn *>(self)->on_writable();
}

}  // namespace holdfast::proxy
