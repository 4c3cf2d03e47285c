// TLS over a connected, non-blocking socket: the other face of ByteStream. The handshake runs
// inside the first reads and writes, or through handshake(). Borrows the descriptor. Never blocks;
// worker thread only.
//
//   handshaking ──▶ open ──close_notify──▶ eof
//        └────────────┴──fault──▶ dead: every call fails the same way
//
// Either direction may have to wait for the other one: reads_when_writable() and
// writes_when_readable() tell. What a read leaves decrypted or buffered here the kernel does not
// report again: holds_input() tells.
#pragma once

#include <sys/uio.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/ev_ptr.h"
#include "proxy/net/io_result.h"
#include "proxy/net/tls_context.h"

struct ssl_st;
struct ssl_session_st;
extern "C" {
void SSL_free(ssl_st *);
void SSL_SESSION_free(ssl_session_st *);
}

namespace holdfast::proxy {

// The last session a peer gave us, to be offered to it next time. Outlives the connections. Takes
// none that was made under other rules than those now in force.
struct TlsSessionSlot {
  const ssl_ctx_st *context = nullptr;
  std::unique_ptr<ssl_session_st, CDeleter<SSL_SESSION_free>> session;
};

// The certificates and rules for the name a client asks for; an empty one: keep those it has.
struct TlsNameChooser {
  TlsContext (*choose)(const void *self, std::string_view name) = nullptr;
  const void *self = nullptr;  // must live until the handshake is over
};

// Whom a client connection expects at the other end.
struct TlsPeer {
  std::string name;       // host name or IP address its certificate must be for; empty = any
  bool send_name = true;  // as SNI, where it is a host name
};

class TlsStream {
  struct Private {};  // only accept() and connect() can make one

 public:
  enum class Handshake : uint8_t { done, waiting, failed };

  // nullptr: out of memory.
  static std::unique_ptr<TlsStream> accept(const TlsContext &context, int fd,
                                           TlsNameChooser chooser);
  // `slot` may be nullptr: nothing is resumed.
  static std::unique_ptr<TlsStream> connect(const TlsContext &context, int fd, const TlsPeer &peer,
                                            TlsSessionSlot *slot);
  TlsStream(Private, ssl_st *ssl, int fd);  // takes `ssl`
  TlsStream(const TlsStream &) = delete;
  TlsStream &operator=(const TlsStream &) = delete;

  Handshake handshake() noexcept;
  // Reads until nothing more is there or `out` is full.
  IoResult read(char *out, size_t bytes_max) noexcept;
  // Small pieces share records. What was not accepted must be offered again, in the same order.
  IoResult write(std::span<const iovec> pieces) noexcept;
  // Tells the peer that nothing more comes, unless the connection is broken.
  void close_notify() noexcept;

  bool handshaking() const noexcept;
  bool reads_when_writable() const noexcept { return read_wants_write_; }
  bool writes_when_readable() const noexcept { return write_wants_read_; }
  bool resumed() const noexcept;
  bool holds_input() const noexcept { return holds_input_; }
  // The name the client asked for (SNI); empty without one.
  std::string_view server_name() const noexcept;
  // Whether the peer has sent anything at all.
  bool heard() const noexcept;
  // Why it is dead, for a person; "" while it is not.
  const std::string &fault() const noexcept { return fault_; }
  // It died because the client spoke HTTP without TLS.
  bool met_plain_http() const noexcept { return plain_http_; }

  // OpenSSL's callbacks; installed by TlsContext.
  static int on_server_name_c(ssl_st *ssl, int *alert, void *) noexcept;
  static int on_new_session_c(ssl_st *ssl, ssl_session_st *session) noexcept;

 private:
  IoResult ended(int returned) noexcept;
  void note_fault(int sys_errno) noexcept;

  std::unique_ptr<ssl_st, CDeleter<SSL_free>> ssl_;
  TlsNameChooser chooser_;
  TlsSessionSlot *slot_ = nullptr;
  std::string fault_;
  IoResult end_;  // eof or failed, once it has been met
  bool wants_write_ = false;
  bool read_wants_write_ = false;
  bool write_wants_read_ = false;
  bool holds_input_ = false;
  bool plain_http_ = false;
};

}  // namespace holdfast::proxy
