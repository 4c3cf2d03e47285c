#include "tests/support/tls_tunnel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "tests/support/connection.h"
#include "tests/support/hf_test.h"

namespace holdfast::test {
namespace {

constexpr size_t kHeldBytesMax = 256 * 1024;

using BioPtr = std::unique_ptr<BIO, CDeleter<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, CDeleter<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, CDeleter<EVP_PKEY_free>>;

BioPtr bio_of(const std::string &pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

void trust(SSL_CTX *context, const std::string &authority) {
  const X509Ptr certificate(PEM_read_bio_X509(bio_of(authority).get(), nullptr, nullptr, nullptr));
  HF_CHECK(certificate != nullptr);
  HF_EQ(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()), 1);
}

std::string last_error() {
  const char *reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "connection closed";
}

UniqueFd listening_socket(uint16_t &port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto *generic = static_cast<sockaddr *>(static_cast<void *>(&address));
  socklen_t bytes = sizeof address;
  HF_EQ(::bind(fd.get(), generic, bytes), 0);
  HF_EQ(::listen(fd.get(), 128), 0);
  HF_EQ(::getsockname(fd.get(), generic, &bytes), 0);
  port = ntohs(address.sin_port);
  return fd;
}

UniqueFd dialled(uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto *generic = static_cast<const sockaddr *>(static_cast<const void *>(&address));
  if (::connect(fd.get(), generic, sizeof address) != 0) return {};
  return fd;
}

void reset(int fd) {
  const linger now{1, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);  // ignoring: then it is a FIN
}

// One connection's two directions, until both have ended or one has broken.
class Pump {
 public:
  Pump(int plain, SSL *ssl) : plain_(plain), tls_(SSL_get_fd(ssl)), ssl_(ssl) {
    for (const int fd : {plain_, tls_}) (void)::fcntl(fd, F_SETFL, O_NONBLOCK);
  }

  void run() {
    while (!broken_ && !(plain_ended_ && tls_ended_ && to_plain_.empty() && to_tls_.empty())) {
      from_plain();
      from_tls();
      flush();
      if (!broken_ && !moved_) wait();
      moved_ = false;
    }
    if (!broken_) return;
    reset(plain_);
    reset(tls_);
  }

 private:
  void from_plain() {
    if (plain_ended_ || to_tls_.size() > kHeldBytesMax) return;
    const ssize_t n = ::recv(plain_, piece_.data(), piece_.size(), 0);
    if (n > 0) to_tls_.append(piece_.data(), static_cast<size_t>(n));
    if (n < 0 && errno != EAGAIN) broken_ = true;
    plain_ended_ = n == 0;
    moved_ = moved_ || n >= 0;
  }
  void from_tls() {
    if (tls_ended_ || to_plain_.size() > kHeldBytesMax) return;
    ERR_clear_error();
    const int n = SSL_read(ssl_, piece_.data(), static_cast<int>(piece_.size()));
    if (n > 0) to_plain_.append(piece_.data(), static_cast<size_t>(n));
    const int why = SSL_get_error(ssl_, n);
    tls_ended_ = why == SSL_ERROR_ZERO_RETURN;
    broken_ = broken_ || (n <= 0 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE &&
                          why != SSL_ERROR_ZERO_RETURN);
    moved_ = moved_ || n > 0 || tls_ended_;
  }
  void flush() {
    if (!to_plain_.empty()) {
      const ssize_t n = ::send(plain_, to_plain_.data(), to_plain_.size(), MSG_NOSIGNAL);
      if (n > 0) to_plain_.erase(0, static_cast<size_t>(n));
      if (n < 0 && errno != EAGAIN) broken_ = true;
      moved_ = moved_ || n > 0;
    }
    if (!to_tls_.empty()) {
      ERR_clear_error();
      const int n = SSL_write(ssl_, to_tls_.data(), static_cast<int>(to_tls_.size()));
      if (n > 0) to_tls_.erase(0, static_cast<size_t>(n));
      const int why = SSL_get_error(ssl_, n);
      broken_ = broken_ || (n <= 0 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE);
      moved_ = moved_ || n > 0;
    }
    if (tls_ended_ && to_plain_.empty()) (void)::shutdown(plain_, SHUT_WR);
    if (plain_ended_ && to_tls_.empty() && !told_) {
      told_ = true;
      (void)SSL_shutdown(ssl_);  // ignoring: the peer may be gone
      (void)::shutdown(tls_, SHUT_WR);
    }
  }
  void wait() const {
    std::array<pollfd, 2> watch{};
    watch[0].fd = plain_ended_ && to_plain_.empty() ? -1 : plain_;
    watch[0].events =
        static_cast<short>((plain_ended_ ? 0 : POLLIN) | (to_plain_.empty() ? 0 : POLLOUT));
    watch[1].fd = tls_;
    watch[1].events =
        static_cast<short>((tls_ended_ ? 0 : POLLIN) | (to_tls_.empty() ? 0 : POLLOUT));
    (void)::poll(watch.data(), watch.size(), static_cast<int>(kSoon.count()) * 12);
  }

  int plain_;
  int tls_;
  SSL *ssl_;
  std::array<char, 64 * 1024> piece_{};
  std::string to_plain_;
  std::string to_tls_;
  bool plain_ended_ = false;
  bool tls_ended_ = false;
  bool told_ = false;
  bool broken_ = false;
  bool moved_ = false;
};

}  // namespace

SslContext client_context(const std::string &authority) {
  SslContext context(SSL_CTX_new(TLS_client_method()));
  (void)SSL_CTX_set_mode(context.get(),
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (authority.empty()) return context;
  trust(context.get(), authority);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

SslContext server_context(const Identity &identity, const std::string &client_authority) {
  SslContext context(SSL_CTX_new(TLS_server_method()));
  (void)SSL_CTX_set_mode(context.get(),
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const X509Ptr certificate(
      PEM_read_bio_X509(bio_of(identity.certificate).get(), nullptr, nullptr, nullptr));
  const KeyPtr key(PEM_read_bio_PrivateKey(bio_of(identity.key).get(), nullptr, nullptr, nullptr));
  HF_EQ(SSL_CTX_use_certificate(context.get(), certificate.get()), 1);
  HF_EQ(SSL_CTX_use_PrivateKey(context.get(), key.get()), 1);
  if (!client_authority.empty()) {
    trust(context.get(), client_authority);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

TlsGreeting tls_greet(uint16_t port, const std::string &server_name, const std::string &alpn,
                      int version_max) {
  const SslContext context = client_context({});
  const UniqueFd fd = dialled(port);
  HF_CHECK(static_cast<bool>(fd));
  const SslPtr ssl(SSL_new(context.get()));
  (void)SSL_set_fd(ssl.get(), fd.get());
  if (!server_name.empty()) HF_EQ(SSL_set_tlsext_host_name(ssl.get(), server_name.c_str()), 1);
  if (version_max != 0) HF_EQ(SSL_set_max_proto_version(ssl.get(), version_max), 1);
  if (version_max != 0 && version_max < TLS1_2_VERSION) SSL_set_security_level(ssl.get(), 0);
  const std::string offer = static_cast<char>(alpn.size()) + alpn;
  if (!alpn.empty()) {
    const auto *bytes = static_cast<const unsigned char *>(static_cast<const void *>(offer.data()));
    HF_EQ(SSL_set_alpn_protos(ssl.get(), bytes, static_cast<unsigned>(offer.size())), 0);
  }
  TlsGreeting greeting;
  greeting.ok = SSL_connect(ssl.get()) == 1;
  if (!greeting.ok) {
    greeting.error = last_error();
    return greeting;
  }
  const X509Ptr certificate(SSL_get1_peer_certificate(ssl.get()));
  std::array<char, 256> name{};
  (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName,
                                  name.data(), static_cast<int>(name.size()));
  greeting.common_name = name.data();
  greeting.version = SSL_get_version(ssl.get());
  const unsigned char *chosen = nullptr;
  unsigned int bytes = 0;
  SSL_get0_alpn_selected(ssl.get(), &chosen, &bytes);
  greeting.alpn.assign(chosen, chosen + bytes);
  return greeting;
}

std::unique_ptr<TlsTunnel> TlsTunnel::client(uint16_t to, const std::string &authority,
                                             const std::string &name) {
  return std::make_unique<TlsTunnel>(Private{}, true, to, client_context(authority), name);
}

std::unique_ptr<TlsTunnel> TlsTunnel::server(uint16_t to, const Identity &identity,
                                             const std::string &client_authority) {
  return std::make_unique<TlsTunnel>(Private{}, false, to,
                                     server_context(identity, client_authority), std::string());
}

TlsTunnel::TlsTunnel(Private, bool to_tls, uint16_t to, SslContext context, std::string name)
    : to_tls_(to_tls),
      to_(to),
      context_(std::move(context)),
      name_(std::move(name)),
      listener_(listening_socket(port_)),
      acceptor_([this] { accept_all(); }) {}

void TlsTunnel::shut_down(const Running &running) {
  for (const UniqueFd *fd : {&running.accepted, &running.dialled}) {
    if (*fd) (void)::shutdown(fd->get(), SHUT_RDWR);  // ignoring: gone already
  }
}

TlsTunnel::~TlsTunnel() {
  (void)::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const Running &running : running_) shut_down(running);
  }
  for (Running &running : running_) running.thread.join();
}

void TlsTunnel::accept_all() {
  for (;;) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    UniqueFd onward = dialled(to_);
    if (!onward) continue;  // the peer sees a close
    const std::lock_guard lock(mutex_);
    Running &running = running_.emplace_back();
    running.accepted = std::move(fd);
    running.dialled = std::move(onward);
    running.thread = std::thread([this, &running] { run(running); });
  }
}

void TlsTunnel::run(Running &running) {
  const SslPtr ssl(SSL_new(context_.get()));
  const int plain = to_tls_ ? running.accepted.get() : running.dialled.get();
  const int tls = to_tls_ ? running.dialled.get() : running.accepted.get();
  (void)SSL_set_fd(ssl.get(), tls);
  if (to_tls_) {
    (void)SSL_set_tlsext_host_name(ssl.get(), name_.c_str());
    (void)SSL_set1_host(ssl.get(), name_.c_str());
  }
  const int greeted = to_tls_ ? SSL_connect(ssl.get()) : SSL_accept(ssl.get());
  note(ssl.get());
  if (greeted == 1) {
    Pump(plain, ssl.get()).run();
  } else {
    ERR_clear_error();
    reset(plain);
  }
  // Closed under the lock: the destructor shuts down what is still open.
  const std::lock_guard lock(mutex_);
  running.accepted.reset();
  running.dialled.reset();
}

void TlsTunnel::note(ssl_st *ssl) {
  const std::lock_guard lock(mutex_);
  if (SSL_session_reused(ssl) == 1) ++resumed_;
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  last_server_name_ = name == nullptr ? "" : name;
}

size_t TlsTunnel::connections_count() const {
  const std::lock_guard lock(mutex_);
  return running_.size();
}

size_t TlsTunnel::resumed_count() const {
  const std::lock_guard lock(mutex_);
  return resumed_;
}

std::string TlsTunnel::last_server_name() const {
  const std::lock_guard lock(mutex_);
  return last_server_name_;
}

}  // namespace holdfast::test
