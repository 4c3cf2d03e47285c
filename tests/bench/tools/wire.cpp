#include "tests/bench/tools/wire.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "tests/bench/tools/options.h"

namespace holdfast::bench {
namespace {

constexpr const char *kName = "localhost";

[[noreturn]] void die_of(const std::string &what) {
  die("%s: %s", what.c_str(), ERR_reason_error_string(ERR_peek_last_error()));
}

std::unique_ptr<ssl_ctx_st, CDeleter<SSL_CTX_free>> make_context() {
  std::unique_ptr<ssl_ctx_st, CDeleter<SSL_CTX_free>> context(SSL_CTX_new(TLS_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1) {
    die_of("cannot set up TLS");
  }
  (void)SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                            SSL_MODE_RELEASE_BUFFERS);
  (void)SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

}  // namespace

TlsRules TlsRules::client(const std::string &trusted_path) {
  TlsRules rules;
  rules.context_ = make_context();
  if (SSL_CTX_load_verify_locations(rules.context_.get(), trusted_path.c_str(), nullptr) != 1) {
    die_of(trusted_path);
  }
  SSL_CTX_set_verify(rules.context_.get(), SSL_VERIFY_PEER, nullptr);
  return rules;
}

TlsRules TlsRules::server(const std::string &certificate_path, const std::string &key_path) {
  TlsRules rules;
  rules.server_ = true;
  rules.context_ = make_context();
  ssl_ctx_st *context = rules.context_.get();
  if (SSL_CTX_use_certificate_chain_file(context, certificate_path.c_str()) != 1) {
    die_of(certificate_path);
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_path.c_str(), SSL_FILETYPE_PEM) != 1) {
    die_of(key_path);
  }
  return rules;
}

Wire::Wire(UniqueFd fd, const TlsRules &rules) : fd_(std::move(fd)) {
  if (!rules || !fd_) return;
  tls_.reset(SSL_new(rules.context_.get()));
  if (!tls_ || SSL_set_fd(tls_.get(), fd_.get()) != 1) die_of("cannot begin TLS");
  if (rules.server_) {
    SSL_set_accept_state(tls_.get());
    return;
  }
  SSL_set_connect_state(tls_.get());
  if (SSL_set_tlsext_host_name(tls_.get(), kName) != 1 || SSL_set1_host(tls_.get(), kName) != 1) {
    die_of("cannot name the server");
  }
}

Wire::~Wire() { say_goodbye(); }

Wire &Wire::operator=(Wire &&other) noexcept {
  if (this == &other) return *this;
  say_goodbye();
  tls_ = std::move(other.tls_);
  fd_ = std::move(other.fd_);
  wants_write_ = other.wants_write_;
  broken_ = other.broken_;
  return *this;
}

// close_notify, where the connection still stands: its peer must not take the end for a cut.
void Wire::say_goodbye() {
  if (!tls_ || broken_ || SSL_is_init_finished(tls_.get()) != 1) return;
  ERR_clear_error();
  (void)SSL_shutdown(tls_.get());  // ignoring: nobody waits for the peer's
}

Wire::Shake Wire::shake_hands() {
  if (!tls_ || SSL_is_init_finished(tls_.get()) == 1) return Shake::done;
  ERR_clear_error();
  if (result(SSL_do_handshake(tls_.get())) > 0) return Shake::done;
  return errno == EAGAIN ? Shake::more : Shake::failed;
}

ssize_t Wire::result(int returned) {
  wants_write_ = false;
  if (returned > 0) return returned;
  switch (SSL_get_error(tls_.get(), returned)) {
    case SSL_ERROR_WANT_WRITE:
      wants_write_ = true;
      [[fallthrough]];
    case SSL_ERROR_WANT_READ:
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      broken_ = true;
      errno = ECONNRESET;
      return -1;
  }
}

ssize_t Wire::receive(char *into, size_t bytes) {
  if (!tls_) return ::recv(fd_.get(), into, bytes, 0);
  ERR_clear_error();
  return result(SSL_read(tls_.get(), into, static_cast<int>(std::min<size_t>(bytes, INT_MAX))));
}

ssize_t Wire::send(const iovec *pieces, size_t count) {
  if (!tls_) {
    msghdr message{};
    message.msg_iov = const_cast<iovec *>(pieces);  // only read from
    message.msg_iovlen = count;
    return ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  }
  ERR_clear_error();
  const size_t bytes = std::min<size_t>(pieces->iov_len, INT_MAX);
  return result(SSL_write(tls_.get(), pieces->iov_base, static_cast<int>(bytes)));
}

}  // namespace holdfast::bench
