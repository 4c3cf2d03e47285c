// One connection to a backend: dials, writes requests, parses answers strictly and hands the parts
// to its user. A raw descriptor with a permanent read event; idle ones rest in their BackendPool
// and notice a FIN at once. Owned by the pool while idle, by its user while busy. Worker thread
// only.
//
//   connecting ──▶ [handshaking] ──▶ busy ──(answer complete, reusable)──▶ idle ──▶ busy …
//        └───────────────┴────────────┴──(fault, close)──▶ dead: never used again
//
// Callbacks come from the loop, never from inside send(). The user may give the connection away or
// drop it inside any callback: destruction is deferred by Worker::bury.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/ev_ptr.h"
#include "common/own_event.h"
#include "proxy/backend_directory.h"
#include "proxy/http/body_decoder.h"
#include "proxy/http/head_parser.h"
#include "proxy/net/output.h"
#include "proxy/net/read_size.h"
#include "proxy/worker_parts.h"

namespace holdfast::proxy {

class Worker;

// Why a backend connection failed its user.
enum class BackendFault : uint8_t {
  connect_refused,  // or unreachable: nothing was sent
  tls_failed,       // no handshake, or a certificate that is not to be trusted: nothing was sent
  closed_early,     // FIN or RST before the first byte of an answer
  cut,              // FIN or RST inside an answer
  malformed,        // not HTTP as RFC 9112 has it
  stalled,          // nothing more of an answer for proxy_read_timeout, or call_timeout is over
  no_descriptor,    // we ourselves are out of file descriptors
};

std::string_view to_word(BackendFault fault) noexcept;

class BackendUser {
 public:
  virtual void on_backend_head(const http::ResponseHead &head) = 0;
  virtual void on_backend_data(std::string_view data) = 0;
  virtual void on_backend_end() = 0;
  // The parts of one read have all been delivered: write them out.
  virtual void on_backend_turn_end() = 0;
  virtual void on_backend_fault(BackendFault fault, const char *detail) = 0;
  virtual void on_backend_writable() = 0;  // everything sent so far is in the kernel
  virtual void on_backend_blocked() = 0;   // connected, but the kernel takes no more for now
  // How many bytes of the answer it can pass on at once.
  virtual size_t room_for_answer() { return 0; }

 protected:
  ~BackendUser() = default;
};

class BackendConn final : public Buried {
  struct Private {};  // only dial() can make one

 public:
  BackendConn(Private, Worker &worker, BackendId backend, UniqueFd fd);
  // Starts a non-blocking connect to this backend.
  static std::unique_ptr<BackendConn> dial(Worker &worker, BackendId backend);
  ~BackendConn() override;
  BackendConn(const BackendConn &) = delete;
  BackendConn &operator=(const BackendConn &) = delete;

  // Begins an exchange: answers go to `user` until release() or destruction. `method` decides
  // whether the answer has a body.
  void begin(BackendUser &user, http::Method method);
  // The rest of the answer goes to another user; nothing may be unsent. May be called by the one
  // before, in any callback.
  void hand_over(BackendUser &user) noexcept { user_ = &user; }
  // Sends or queues the pieces. A broken connection is reported by a fault from the loop, after any
  // answer the backend managed to send.
  void send(std::span<const iovec> pieces);
  // After a fault with accepted_bytes() == 0: what was to be sent, for another connection.
  std::string take_unsent() { return output_.take(); }
  // The exchange is over; the user is forgotten. True: fit to be used again.
  bool release();

  // Stops and resumes reading from the backend: backpressure from the client.
  void pause_reading(bool paused);
  void request_sent() noexcept { request_sent_ = true; }

  BackendId backend() const noexcept { return backend_; }
  bool reading_paused() const noexcept { return paused_; }
  bool connecting() const noexcept {
    return state_ == State::connecting || state_ == State::handshaking;
  }
  bool reused() const noexcept { return reused_; }
  size_t unsent_bytes() const noexcept { return output_.unsent_bytes(); }
  // How many bytes of a request can go out at once.
  size_t room() const noexcept { return connecting() ? 0 : stream_.room(); }
  uint64_t accepted_bytes() const noexcept { return output_.sent_bytes() - begun_at_bytes_; }
  MonoTime idle_since() const noexcept { return idle_since_; }
  // The idle limit this backend announced (Keep-Alive: timeout), less one second.
  Millis idle_max() const noexcept { return idle_max_; }
  // For the pool: takes the connection out of and into idleness. False: the peer has closed it.
  bool wake(MonoTime now);
  void rest(MonoTime now);

 private:
  enum class State : uint8_t { connecting, handshaking, busy, idle, dead };
  enum class Expect : uint8_t { head, body, nothing };
  struct PartOfHead {
    std::string bytes;
    http::ResponseParser parser;  // how far it has looked into them
  };

  void on_readable();
  void on_writable();
  bool begin_handshake();
  void shake_hands();
  void flush();
  void wait_for_more();
  void read_again();
  void parse(std::string_view bytes);
  void parse_head(std::string_view &bytes);
  void parse_body(std::string_view &bytes);
  void on_head(const http::ResponseHead &head);
  void on_eof(bool clean);
  void fail(BackendFault fault, const char *detail);
  void set_write_interest(bool on);
  static void on_readable_c(evutil_socket_t, short, void *self) noexcept;
  static void on_writable_c(evutil_socket_t, short, void *self) noexcept;

  Worker &worker_;
  BackendUser *user_ = nullptr;
  ByteStream stream_;
  Output output_;
  OwnEvent read_event_;
  EventPtr write_event_;
  EventPtr again_event_;              // only with TLS: what it holds is read in the next turn
  std::unique_ptr<PartOfHead> part_;  // while a head comes in pieces
  http::BodyDecoder body_;
  BackendId backend_;
  int failed_at_once_ = 0;  // errno of a connect() that failed without waiting
  http::Method method_ = http::Method::get;
  State state_ = State::connecting;
  Expect expect_ = Expect::nothing;
  bool reused_ = false;
  bool request_sent_ = false;
  bool keep_alive_ = false;
  bool tainted_ = false;  // surplus bytes, an early answer: not to be used again
  bool paused_ = false;
  bool unheard_ = false;  // nobody listened when it was put to rest: something may be waiting
  bool got_bytes_ = false;
  ReadSize read_size_;
  bool write_broken_ = false;
  uint8_t interim_count_ = 0;
  uint64_t begun_at_bytes_ = 0;
  MonoTime idle_since_{};
  Millis idle_max_{4000};
};

}  // namespace holdfast::proxy
