// One client connection: reads and frames requests, runs one exchange at a time, writes answers.
// Owned by its worker; ends itself by Worker::remove, which defers destruction. Worker thread only.
//
//   reading head ──▶ exchange ──(keep-alive)──▶ idle ──▶ reading head …
//        │              └──(close)──▶ lingering ──▶ gone
//        └──fault──▶ refusal ──▶ lingering
//
// Later requests on the connection wait, in order, at most kPipelinedBytesMax of them; then reading
// stops.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/ev_ptr.h"
#include "common/own_event.h"
#include "proxy/address_limit.h"
#include "proxy/config.h"
#include "proxy/exchange.h"
#include "proxy/http/head_parser.h"
#include "proxy/net/output.h"
#include "proxy/net/peer_watch.h"
#include "proxy/net/read_size.h"
#include "proxy/net/timer_wheel.h"
#include "proxy/worker_parts.h"

namespace holdfast::proxy {

class Worker;

inline constexpr size_t kPipelinedBytesMax = 64 * 1024;
inline constexpr size_t kLingerBytesMax = 256 * 1024;
inline constexpr Millis kLingerTime{2000};

class ClientConn final : public WheelTimer::User, public Buried {
 public:
  // Takes an accepted, non-blocking socket. `listener`: index into the worker's current Config.
  ClientConn(Worker &worker, UniqueFd fd, size_t listener, const SocketAddress &peer);
  ~ClientConn() override;
  ClientConn(const ClientConn &) = delete;
  ClientConn &operator=(const ClientConn &) = delete;

  const std::shared_ptr<const Config> &config() const noexcept { return config_; }
  const Listener &listener() const noexcept { return config_->listeners[listener_]; }
  std::string_view peer_ip() const noexcept { return peer_ip_; }
  uint16_t peer_port() const noexcept { return peer_port_; }  // 0 for a Unix peer
  bool trusted() const noexcept { return trusted_; }          // one of trusted_proxies
  bool tls() const noexcept { return tls_; }
  std::string_view scheme() const noexcept { return tls_ ? "https" : "http"; }
  // The name the client asked for in its handshake; empty without one, and without TLS.
  std::string_view tls_name() const noexcept {
    return stream_.tls() != nullptr ? stream_.tls()->server_name() : std::string_view();
  }

  // ---- from its exchange ----
  // Writes, or queues what the kernel does not take. A broken connection is noticed in the next
  // turn.
  void send(std::span<const iovec> pieces);
  void send_continue();
  size_t unsent_bytes() const noexcept { return output_.unsent_bytes(); }
  // How many bytes of an answer can go out at once.
  size_t room() const noexcept { return stream_.room(); }
  // What the kernel knows of the client's host; nullopt on a Unix socket.
  std::optional<TcpState> tcp_state() const noexcept { return proxy::tcp_state(stream_.fd()); }
  // Stops and resumes reading the request's body: backpressure from the backend.
  void pause_reading(bool paused);
  // The answer is wholly in the kernel; the exchange is over.
  void exchange_done(bool keep_alive);
  // The exchange is over and the client must notice that something is missing.
  void abort(bool reset);

  // ---- from the worker ----
  // Idle connections close now, busy ones after their answer.
  void close_when_idle();
  void hold(AddressLimit::Place place) { place_ = std::move(place); }  // while it lives
  uint32_t place_in_worker = 0;  // index into Worker::clients_
  Exchange *exchange() noexcept { return exchange_.get(); }

  void on_deadline(WheelTimer &timer) override;

 private:
  enum class State : uint8_t { open, flushing, lingering, gone };
  static constexpr uint8_t kPausedByExchange =
      1;  // reason bits: two pausers cannot un-pause each other
  static constexpr uint8_t kPausedByPipeline = 2;

  // What has come and could not be used yet. Most requests come whole, and leave nothing to hold.
  struct Held {
    std::string bytes;
    http::RequestParser parser;  // how far it has looked into them, where they begin a head
  };

  void on_readable();
  void on_writable();
  void process(std::string_view bytes);
  bool parse_head(std::string_view &bytes);
  void stash(std::string_view bytes);
  bool holds_input() const noexcept { return held_ && !held_->bytes.empty(); }
  std::string take_input();
  bool is_trusted(const SocketAddress &peer) const;
  void refuse(int status, std::string_view text);
  void start_tls();
  void on_read_failed(const IoResult &failed);
  void wait_for_more();
  void read_again();
  void adopt_config();
  void settle();
  void on_eof();
  void linger();
  void discard();
  void close(StreamReason reason);
  void set_pause(uint8_t reason, bool on);
  void set_write_interest(bool on);
  void set_edge_triggered(bool on);
  void arm_for_input();
  static TlsContext choose_tls(const void *self, std::string_view name);
  static void on_readable_c(evutil_socket_t, short, void *self) noexcept;
  static void on_writable_c(evutil_socket_t, short, void *self) noexcept;

  Worker &worker_;
  std::shared_ptr<const Config> config_;
  ByteStream stream_;
  Output output_;
  OwnEvent read_event_;
  EventPtr write_event_;
  EventPtr again_event_;  // only with TLS: what it holds is read in the next turn
  std::unique_ptr<Exchange> exchange_;
  std::unique_ptr<Held> held_;
  WheelTimer timer_;
  MonoTime due_ = MonoTime::max();  // head, idle or linger deadline; a body's are its exchange's
  AddressLimit::Place place_;
  std::string peer_ip_;
  uint32_t listener_;
  uint32_t lingered_bytes_ = 0;
  uint16_t peer_port_ = 0;
  State state_ = State::open;
  uint8_t paused_ = 0;
  // Single bits: idle connections are many.
  bool trusted_ : 1 = false;
  bool tls_ : 1 = false;         // accepted on a listener with `ssl`
  bool processing_ : 1 = false;  // inside process(): exchange_done only notes
  bool exchange_over_ : 1 = false;
  bool keep_alive_ : 1 = false;
  bool half_closed_ : 1 = false;
  bool edge_triggered_ : 1 = false;  // its events: nothing is read for now
  bool broken_ : 1 = false;          // a write failed
  bool host_gone_ : 1 = false;       // and why
  bool closing_ : 1 = false;         // after the current answer
  bool head_started_ : 1 = false;
  ReadSize read_size_;
};

}  // namespace holdfast::proxy
