#include "proxy/backend_conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "proxy/backend_pool.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

constexpr uint8_t kInterimMax = 8;    // 1xx answers per exchange
constexpr Millis kTrustedIdle{1000};  // idle for longer: ask the kernel before reusing
constexpr Millis kIdleDefault{4000};  // Node and uvicorn close after 5 s
constexpr timeval kNextTurn{0, 0};

// N of "Keep-Alive: timeout=N", less one second for the way.
Millis announced_idle(std::string_view keep_alive) {
  const size_t at = keep_alive.find("timeout=");
  if (at == std::string_view::npos) return kIdleDefault;
  unsigned seconds = 0;
  const char *begin = keep_alive.data() + at + 8;
  const auto parsed = std::from_chars(begin, keep_alive.data() + keep_alive.size(), seconds);
  if (parsed.ec != std::errc{}) return kIdleDefault;
  seconds = std::min(seconds, 3600U);
  return std::chrono::seconds{seconds > 1 ? seconds - 1 : 0};
}

}  // namespace

std::string_view to_word(BackendFault fault) noexcept {
  switch (fault) {
    case BackendFault::connect_refused:
      return "connect_refused";
    case BackendFault::tls_failed:
      return "tls_failed";
    case BackendFault::closed_early:
      return "closed_early";
    case BackendFault::cut:
      return "cut";
    case BackendFault::malformed:
      return "malformed";
    case BackendFault::stalled:
      return "stalled";
    case BackendFault::no_descriptor:
      break;
  }
  return "no_descriptor";
}

std::unique_ptr<BackendConn> BackendConn::dial(Worker &worker, BackendId backend) {
  const Backend &to = worker.backends().at(backend);
  const auto *address = static_cast<const sockaddr *>(static_cast<const void *>(&to.address));
  UniqueFd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd && address->sa_family != AF_UNIX) {
    const int on = 1;
    // ignoring: only latency depends on it
    (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  bool refused = false;
  if (fd && ::connect(fd.get(), address, to.address_bytes) != 0) {
    // A Unix socket with a full backlog says EAGAIN at once: as good as refused.
    refused = errno != EINPROGRESS;
  }
  const bool connected = static_cast<bool>(fd);
  auto conn = std::make_unique<BackendConn>(Private{}, worker, backend, std::move(fd));
  // Either way the outcome is reported from the loop: writable, or at the next turn.
  if (!connected || refused) conn->failed_at_once_ = refused ? ECONNREFUSED : EMFILE;
  conn->set_write_interest(true);
  if (conn->failed_at_once_ != 0) event_active(conn->write_event_.get(), EV_WRITE, 0);
  worker.counters().add(Counter::backend_connections);
  return conn;
}

BackendConn::BackendConn(Private, Worker &worker, BackendId backend, UniqueFd fd)
    : worker_(worker), stream_(std::move(fd)), backend_(backend), idle_max_(kIdleDefault) {
  read_event_.set(worker.base(), stream_.fd(), EV_READ | EV_PERSIST, &on_readable_c, this);
  worker_.count_backend_conn(1);
}

// Peers of TLS are told that the end is one.
BackendConn::~BackendConn() {
  worker_.count_backend_conn(-1);
  if (request_sent_ && output_.unsent_bytes() == 0) stream_.close_notify();
}

void BackendConn::begin(BackendUser &user, http::Method method) {
  user_ = &user;
  method_ = method;
  expect_ = Expect::head;
  part_.reset();
  request_sent_ = got_bytes_ = keep_alive_ = tainted_ = false;
  interim_count_ = 0;
  begun_at_bytes_ = output_.sent_bytes();
}

void BackendConn::send(std::span<const iovec> pieces) {
  if (write_broken_) {
    if (accepted_bytes() == 0) output_.hold(pieces);
    return;
  }
  if (connecting()) {
    output_.hold(pieces);
    return;
  }
  switch (output_.write(stream_, pieces)) {
    case Output::Status::sent:
      return;
    case Output::Status::pending:
      if (!stream_.writes_when_readable()) set_write_interest(true);
      return;
    case Output::Status::failed:
    case Output::Status::host_gone:
      // The backend may have answered before it stopped reading (413 and close): its answer, or the
      // end of the connection, comes by the read event.
      write_broken_ = true;
      if (accepted_bytes() == 0) output_.hold(pieces);  // nothing went out: may be sent elsewhere
      return;
  }
}

bool BackendConn::release() {
  user_ = nullptr;
  const bool ended = expect_ == Expect::nothing && body_.kind() != http::BodyKind::until_close;
  return state_ == State::busy && ended && keep_alive_ && request_sent_ && !tainted_ &&
         !write_broken_ && output_.unsent_bytes() == 0;
}

void BackendConn::rest(MonoTime now) {
  state_ = State::idle;
  idle_since_ = now;
  unheard_ = paused_;
  pause_reading(false);
}

bool BackendConn::wake(MonoTime now) {
  // What this turn of the loop has in store for it (a FIN, bytes nobody asked for) came before the
  // request that is to be sent, and would be taken for its answer.
  bool alive = now - idle_since_ < idle_max_ && !stream_.holds_input() && !read_event_.fires();
  if (alive && (unheard_ || now - idle_since_ > kTrustedIdle)) {
    char byte = 0;
    const ssize_t n = ::recv(stream_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    alive = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }
  if (!alive) {
    // Its FIN may be waiting in this very turn: nothing is left that could answer it.
    state_ = State::dead;
    (void)event_del(read_event_.get());
    return false;
  }
  state_ = State::busy;
  reused_ = true;
  worker_.counters().add(Counter::backend_reuses);
  return true;
}

void BackendConn::pause_reading(bool paused) {
  if (paused == paused_ || connecting() || state_ == State::dead) return;
  paused_ = paused;
  if (paused) {
    (void)event_del(read_event_.get());
  } else {
    (void)event_add(read_event_.get(), nullptr);
    wait_for_more();
  }
}

void BackendConn::set_write_interest(bool on) {
  if (!write_event_) {
    if (!on) return;
    write_event_.reset(
        event_new(worker_.base(), stream_.fd(), EV_WRITE | EV_PERSIST, &on_writable_c, this));
  }
  if (on) {
    if (stream_.fd() >= 0) (void)event_add(write_event_.get(), nullptr);
  } else {
    write_event_.reset();  // most connections never need it again
  }
}

void BackendConn::on_writable() {
  if (state_ == State::connecting) {
    int error = failed_at_once_;
    socklen_t bytes = sizeof error;
    if (error == 0) (void)::getsockopt(stream_.fd(), SOL_SOCKET, SO_ERROR, &error, &bytes);
    if (error != 0) {
      fail(error == EMFILE ? BackendFault::no_descriptor : BackendFault::connect_refused,
           std::strerror(error));
      return;
    }
    (void)event_add(read_event_.get(), nullptr);
    state_ = State::busy;
    if (worker_.pool(backend_).speaks_tls() && !begin_handshake()) return;
  }
  if (state_ == State::handshaking) {
    shake_hands();
  } else {
    flush();
  }
}

bool BackendConn::begin_handshake() {
  state_ = State::handshaking;
  stream_.set_tls(worker_.pool(backend_).make_tls(stream_.fd()));
  if (stream_.tls() != nullptr) return true;
  fail(BackendFault::tls_failed, "out of memory");
  return false;
}

void BackendConn::shake_hands() {
  switch (stream_.tls()->handshake()) {
    case TlsStream::Handshake::waiting:
      set_write_interest(stream_.reads_when_writable());
      return;
    case TlsStream::Handshake::failed:
      fail(BackendFault::tls_failed, stream_.tls()->fault().c_str());
      return;
    case TlsStream::Handshake::done:
      state_ = State::busy;
      flush();
      return;
  }
}

void BackendConn::flush() {
  switch (output_.flush(stream_)) {
    case Output::Status::sent:
      set_write_interest(false);
      if (stream_.reads_when_writable()) read_again();
      if (user_ != nullptr) user_->on_backend_writable();
      return;
    case Output::Status::pending:
      set_write_interest(!stream_.writes_when_readable());
      if (user_ != nullptr) user_->on_backend_blocked();
      return;
    case Output::Status::failed:
    case Output::Status::host_gone:
      set_write_interest(false);
      write_broken_ = true;
      return;
  }
}

// Sees to what only TLS needs: the kernel does not know what lies decrypted here, nor that a read
// waits for room to write. The next turn of the loop, so that others have theirs.
void BackendConn::wait_for_more() {
  if (stream_.tls() == nullptr) return;
  const bool open = state_ == State::idle || (state_ == State::busy && user_ != nullptr);
  if (!open || paused_) return;
  if (stream_.reads_when_writable()) set_write_interest(true);
  if (stream_.holds_input()) read_again();
}

void BackendConn::read_again() {
  if (!again_event_) again_event_.reset(event_new(worker_.base(), -1, 0, &on_readable_c, this));
  (void)event_add(again_event_.get(), &kNextTurn);
}

void BackendConn::on_readable() {
  if (state_ == State::handshaking) {
    shake_hands();
    return;
  }
  if (state_ == State::dead) return;
  if (stream_.writes_when_readable()) flush();
  Scratch &scratch = worker_.scratch();
  for (size_t taken = 0; taken < kReadBytesMax;) {
    const size_t asked =
        read_size_.next(taken, [this] { return user_ != nullptr ? user_->room_for_answer() : 0; });
    const IoResult got = stream_.read(scratch.receive.data(), asked);
    if (got.status == IoStatus::would_block) break;
    if (state_ == State::idle) {
      // Whatever an idle connection says (surplus bytes, FIN, RST), it is of no use any more.
      if (got.status == IoStatus::ok) worker_.counters().add(Counter::responses_refused);
      state_ = State::dead;
      worker_.pool(backend_).remove(*this);
      return;
    }
    if (got.status != IoStatus::ok) {
      on_eof(got.status == IoStatus::eof);
      return;
    }
    got_bytes_ = true;
    taken += got.bytes;
    read_size_.note(got.bytes);
    parse({scratch.receive.data(), got.bytes});
    if (user_ == nullptr || state_ != State::busy) break;
    user_->on_backend_turn_end();
    if (got.bytes < asked || paused_ || user_ == nullptr || state_ != State::busy) break;
  }
  wait_for_more();
}

void BackendConn::parse(std::string_view bytes) {
  while (user_ != nullptr && state_ == State::busy && !bytes.empty()) {
    switch (expect_) {
      case Expect::head:
        parse_head(bytes);
        break;
      case Expect::body:
        parse_body(bytes);
        break;
      case Expect::nothing:
        tainted_ = true;  // bytes after a complete answer are nobody's
        worker_.counters().add(Counter::responses_refused);
        return;
    }
  }
}

void BackendConn::parse_head(std::string_view &bytes) {
  http::ResponseParser fresh;
  http::ResponseParser &parser = part_ ? part_->parser : fresh;
  const size_t had_bytes = part_ ? part_->bytes.size() : 0;
  if (part_) part_->bytes.append(bytes);
  const std::string_view view = part_ ? std::string_view(part_->bytes) : bytes;
  http::ResponseHead &head = worker_.scratch().response;
  switch (parser.parse(view, method_, head)) {
    case http::HeadState::incomplete:
      if (!part_) part_ = std::make_unique<PartOfHead>(PartOfHead{std::string(bytes), fresh});
      bytes = {};
      return;
    case http::HeadState::failed:
      fail(BackendFault::malformed, parser.error().reason);
      return;
    case http::HeadState::complete:
      break;
  }
  bytes.remove_prefix(parser.head_bytes() - had_bytes);
  const std::unique_ptr<PartOfHead> whole = std::move(part_);  // what `head` views
  on_head(head);
}

void BackendConn::on_head(const http::ResponseHead &head) {
  if (head.status == 101 || (head.status < 200 && ++interim_count_ > kInterimMax)) {
    fail(BackendFault::malformed, head.status == 101 ? "unasked 101" : "too many interim answers");
    return;
  }
  if (head.status == 100) return;  // the client's Expect was answered by us
  if (head.status >= 200) {
    keep_alive_ = head.keep_alive;
    body_ = http::BodyDecoder(head.framing);
    expect_ = Expect::body;
    if (keep_alive_) idle_max_ = announced_idle(head.fields.value(http::FieldId::keep_alive));
    // A bodiless status that declares a body: whatever follows is not ours to interpret.
    const bool declares = head.has_declared_length && head.declared_length > 0;
    if (head.status == 204 &&
        (declares || head.fields.find(http::FieldId::transfer_encoding) != nullptr)) {
      tainted_ = true;
    }
  }
  user_->on_backend_head(head);
  if (head.status < 200 || user_ == nullptr || state_ != State::busy) return;
  std::string_view nothing;
  if (head.framing.kind == http::BodyKind::none ||
      (head.framing.kind == http::BodyKind::length && head.framing.length == 0)) {
    parse_body(nothing);
  }
}

void BackendConn::parse_body(std::string_view &bytes) {
  const http::BodyDecoder::Step step = body_.next(bytes);
  bytes.remove_prefix(step.consumed);
  if (!step.data.empty()) user_->on_backend_data(step.data);
  if (user_ == nullptr || state_ != State::busy) return;
  if (step.state == http::BodyDecoder::State::end) {
    expect_ = Expect::nothing;
    if (!bytes.empty()) tainted_ = true;
    user_->on_backend_end();
  } else if (step.state != http::BodyDecoder::State::more) {
    fail(BackendFault::malformed, body_.error());
  }
}

void BackendConn::on_eof(bool clean) {
  if (expect_ == Expect::body && clean && body_.finish_at_eof()) {
    expect_ = Expect::nothing;
    state_ = State::dead;
    (void)event_del(read_event_.get());
    if (user_ == nullptr) return;
    user_->on_backend_end();
    if (user_ != nullptr) user_->on_backend_turn_end();
    return;
  }
  if (expect_ == Expect::nothing) {
    tainted_ = true;
    (void)event_del(read_event_.get());
    return;
  }
  const bool nothing_yet = expect_ == Expect::head && !got_bytes_;
  const char *detail = clean ? "connection closed" : "connection reset";
  if (!clean && stream_.tls() != nullptr) detail = stream_.tls()->fault().c_str();
  fail(nothing_yet ? BackendFault::closed_early : BackendFault::cut, detail);
}

void BackendConn::fail(BackendFault fault, const char *detail) {
  state_ = State::dead;
  (void)event_del(read_event_.get());
  write_event_.reset();
  again_event_.reset();
  if (fault == BackendFault::malformed) worker_.counters().add(Counter::responses_refused);
  if (user_ != nullptr) user_->on_backend_fault(fault, detail);
}

void BackendConn::on_readable_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<BackendConn *>(self)->on_readable();
}
void BackendConn::on_writable_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<BackendConn *>(self)->on_writable();
}

}  // namespace holdfast::proxy
