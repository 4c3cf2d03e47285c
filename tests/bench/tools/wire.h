// One non-blocking socket of a bench tool, plain or with TLS around it, with the faces of recv and
// sendmsg. Owns its descriptor. One thread.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>

#include "common/ev_ptr.h"
#include "common/unique_fd.h"

struct ssl_st;
struct ssl_ctx_st;
extern "C" {
void SSL_free(ssl_st *);
void SSL_CTX_free(ssl_ctx_st *);
}

namespace holdfast::bench {

// What the TLS connections of a tool share: TLS 1.3, no session resumption. Empty: plain TCP.
class TlsRules {
 public:
  TlsRules() = default;
  // A client that trusts the certificates of this PEM file, and only for the name "localhost".
  static TlsRules client(const std::string &trusted_path);
  static TlsRules server(const std::string &certificate_path, const std::string &key_path);

  explicit operator bool() const { return static_cast<bool>(context_); }

 private:
  friend class Wire;
  std::unique_ptr<ssl_ctx_st, CDeleter<SSL_CTX_free>> context_;
  bool server_ = false;
};

class Wire {
 public:
  Wire() = default;
  Wire(UniqueFd fd, const TlsRules &rules);
  ~Wire();
  Wire(Wire &&) noexcept = default;
  Wire &operator=(Wire &&) noexcept;

  explicit operator bool() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }

  enum class Shake { done, more, failed };
  // Goes on with the handshake, where there is one. Needed by clients only: reading does it for a
  // server, whose part fits into any socket buffer.
  Shake shake_hands();
  bool wants_write() const { return wants_write_; }  // whether `more` waits for room

  // As recv and sendmsg: -1 with EAGAIN when it must wait, 0 at the peer's end. A peer that ends
  // TLS without saying so is -1 with ECONNRESET: what it sent may be incomplete.
  ssize_t receive(char *into, size_t bytes);
  ssize_t send(const iovec *pieces, size_t count);

 private:
  ssize_t result(int returned);
  void say_goodbye();

  UniqueFd fd_;
  std::unique_ptr<ssl_st, CDeleter<SSL_free>> tls_;
  bool wants_write_ = false;
  bool broken_ = false;
};

}  // namespace holdfast::bench
