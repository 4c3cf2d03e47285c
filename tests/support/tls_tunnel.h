// TLS for clients and servers that know nothing of it: bytes of one side in the clear, of the other
// under TLS, by OpenSSL alone and none of the proxy's code. An end stays what it was: close_notify
// becomes FIN and back, anything else RST. One thread a connection.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/ev_ptr.h"
#include "common/unique_fd.h"
#include "tests/support/certificates.h"

struct ssl_ctx_st;
struct ssl_st;
extern "C" {
void SSL_CTX_free(ssl_ctx_st *);
void SSL_free(ssl_st *);
}

namespace holdfast::test {

using SslContext = std::unique_ptr<ssl_ctx_st, CDeleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<ssl_st, CDeleter<SSL_free>>;

SslContext client_context(const std::string &authority);  // PEM; empty = anybody is believed
SslContext server_context(const Identity &identity, const std::string &client_authority = {});

// What a client learns in a handshake with 127.0.0.1:PORT.
struct TlsGreeting {
  bool ok = false;
  std::string error;        // OpenSSL's reason
  std::string common_name;  // of the server's certificate
  std::string version;      // "TLSv1.3"
  std::string alpn;
  bool resumed = false;
};
// `server_name` empty: no SNI. `alpn` empty: none is offered. `version_max`: an OpenSSL constant.
TlsGreeting tls_greet(uint16_t port, const std::string &server_name, const std::string &alpn = {},
                      int version_max = 0);

class TlsTunnel {
 public:
  // Connections to port() go on to `to` under TLS; its certificate must be for `name`.
  static std::unique_ptr<TlsTunnel> client(uint16_t to, const std::string &authority,
                                           const std::string &name = "localhost");
  // TLS connections to port() go on to `to` in the clear. With `client_authority` clients must show
  // a certificate of it.
  static std::unique_ptr<TlsTunnel> server(uint16_t to, const Identity &identity,
                                           const std::string &client_authority = {});
  ~TlsTunnel();
  TlsTunnel(const TlsTunnel &) = delete;
  TlsTunnel &operator=(const TlsTunnel &) = delete;

  uint16_t port() const { return port_; }
  // Of the connections so far: how many there were, how many handshakes were resumed ones, and the
  // last name asked for by SNI ("-" before the first handshake).
  size_t connections_count() const;
  size_t resumed_count() const;
  std::string last_server_name() const;

 private:
  struct Private {};

 public:
  TlsTunnel(Private, bool to_tls, uint16_t to, SslContext context, std::string name);

 private:
  struct Running {
    UniqueFd accepted;
    UniqueFd dialled;
    std::thread thread;
  };
  static void shut_down(const Running &running);
  void accept_all();
  void run(Running &running);
  void note(ssl_st *ssl);

  const bool to_tls_;
  const uint16_t to_;
  const SslContext context_;
  const std::string name_;
  uint16_t port_ = 0;  // before the socket whose binding sets it
  UniqueFd listener_;

  mutable std::mutex mutex_;  // guards what follows
  std::list<Running> running_;
  size_t resumed_ = 0;
  std::string last_server_name_ = "-";

  std::thread acceptor_;  // last: uses all of the above
};

}  // namespace holdfast::test
