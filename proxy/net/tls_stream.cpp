#include "proxy/net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/socket_address.h"

namespace holdfast::proxy {

namespace {

constexpr size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;

// Puts pieces together to records. Its buffer is the thread's: it is full only within one call.
class Records {
 public:
  explicit Records(std::span<const iovec> pieces) : pieces_(pieces) { skip_empty(); }

  // The next record's bytes, at most kRecordBytes; empty: nothing is left.
  std::string_view next() noexcept {
    if (pieces_.empty()) return {};
    const std::string_view first = rest();
    if (first.size() >= kRecordBytes || pieces_.size() == 1) return first.substr(0, kRecordBytes);
    static thread_local std::array<char, kRecordBytes> joined;
    size_t used = 0;
    while (!pieces_.empty() && used < kRecordBytes) {
      const std::string_view part = rest().substr(0, kRecordBytes - used);
      std::memcpy(joined.data() + used, part.data(), part.size());
      used += part.size();
      take(part.size());
    }
    taken_ = true;
    return {joined.data(), used};
  }
  // The record next() gave was accepted whole.
  void accepted(size_t bytes) noexcept {
    if (!taken_) take(bytes);
    taken_ = false;
  }

 private:
  std::string_view rest() const noexcept {
    const iovec &piece = pieces_.front();
    return {static_cast<const char *>(piece.iov_base) + at_, piece.iov_len - at_};
  }
  void take(size_t bytes) noexcept {
    at_ += bytes;
    skip_empty();
  }
  void skip_empty() noexcept {
    while (!pieces_.empty() && at_ == pieces_.front().iov_len) {
      pieces_ = pieces_.subspan(1);
      at_ = 0;
    }
  }

  std::span<const iovec> pieces_;
  size_t at_ = 0;       // within the first piece
  bool taken_ = false;  // next() has moved past its record already
};

bool is_address(const std::string &name) { return SocketAddress::numeric(name, 0).has_value(); }

}  // namespace

TlsStream::TlsStream(Private, ssl_st *ssl, int fd) : ssl_(ssl) {
  (void)SSL_set_fd(ssl, fd);  // ignoring: fails only without memory, and then the handshake does
  (void)SSL_set_app_data(ssl, this);
}

std::unique_ptr<TlsStream> TlsStream::accept(const TlsContext &context, int fd,
                                             TlsNameChooser chooser) {
  SSL *ssl = SSL_new(context.get());
  if (ssl == nullptr) return nullptr;
  auto stream = std::make_unique<TlsStream>(Private{}, ssl, fd);
  stream->chooser_ = chooser;
  SSL_set_accept_state(ssl);
  return stream;
}

std::unique_ptr<TlsStream> TlsStream::connect(const TlsContext &context, int fd,
                                              const TlsPeer &peer, TlsSessionSlot *slot) {
  SSL *ssl = SSL_new(context.get());
  if (ssl == nullptr) return nullptr;
  auto stream = std::make_unique<TlsStream>(Private{}, ssl, fd);
  stream->slot_ = slot;
  bool ok = true;
  if (is_address(peer.name)) {
    ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), peer.name.c_str()) == 1;
  } else if (!peer.name.empty()) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    ok = SSL_set1_host(ssl, peer.name.c_str()) == 1;
    if (peer.send_name) ok = ok && SSL_set_tlsext_host_name(ssl, peer.name.c_str()) == 1;
  }
  if (slot != nullptr && slot->session && SSL_SESSION_is_resumable(slot->session.get()) == 1) {
    (void)SSL_set_session(ssl, slot->session.get());  // ignoring: a full handshake does as well
  }
  SSL_set_connect_state(ssl);
  return ok ? std::move(stream) : nullptr;
}

TlsStream::Handshake TlsStream::handshake() noexcept {
  if (end_.status == IoStatus::failed) return Handshake::failed;
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) return Handshake::done;
  const IoResult why = ended(done);
  read_wants_write_ = wants_write_;
  return why.status == IoStatus::would_block ? Handshake::waiting : Handshake::failed;
}

IoResult TlsStream::read(char *out, size_t bytes_max) noexcept {
  holds_input_ = read_wants_write_ = false;
  size_t total = 0;
  while (end_.status == IoStatus::ok && total < bytes_max) {
    ERR_clear_error();
    size_t got = 0;
    const int done = SSL_read_ex(ssl_.get(), out + total, bytes_max - total, &got);
    total += got;
    if (done != 1) {
      const IoResult why = ended(done);
      if (why.status == IoStatus::would_block) {
        read_wants_write_ = wants_write_;
        if (total == 0) return why;
        return {IoStatus::ok, total, 0};
      }
    } else if (SSL_has_pending(ssl_.get()) == 0) {
      return {IoStatus::ok, total, 0};  // the kernel tells when there is more
    }
  }
  if (total == 0) return end_;
  holds_input_ = true;  // the rest, or the end that has been met
  return {IoStatus::ok, total, 0};
}

IoResult TlsStream::write(std::span<const iovec> pieces) noexcept {
  write_wants_read_ = false;
  if (end_.status == IoStatus::failed) return end_;
  Records records(pieces);
  size_t total = 0;
  for (std::string_view record = records.next(); !record.empty(); record = records.next()) {
    ERR_clear_error();
    size_t wrote = 0;
    const int done = SSL_write_ex(ssl_.get(), record.data(), record.size(), &wrote);
    if (done != 1) {
      const IoResult why = ended(done);
      if (why.status != IoStatus::would_block) return why;
      write_wants_read_ = !wants_write_;
      if (total == 0) return why;
      return {IoStatus::ok, total, 0};
    }
    total += wrote;
    records.accepted(wrote);
  }
  return {IoStatus::ok, total, 0};
}

// What a call that did not succeed means. Ends other than "later" are remembered.
IoResult TlsStream::ended(int returned) noexcept {
  const int sys_errno = errno;
  const int why = SSL_get_error(ssl_.get(), returned);
  wants_write_ = why == SSL_ERROR_WANT_WRITE;
  if (wants_write_ || why == SSL_ERROR_WANT_READ) return {IoStatus::would_block, 0, 0};
  if (why == SSL_ERROR_ZERO_RETURN) {
    end_ = {IoStatus::eof, 0, 0};
  } else {
    end_ = {IoStatus::failed, 0, why == SSL_ERROR_SYSCALL ? sys_errno : 0};
    note_fault(end_.sys_errno);
  }
  return end_;
}

void TlsStream::note_fault(int sys_errno) noexcept {
  const unsigned long code = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(code);
  const bool from_tls = ERR_GET_LIB(code) == ERR_LIB_SSL;
  plain_http_ = from_tls && reason == SSL_R_HTTP_REQUEST;
  const long verdict = SSL_get_verify_result(ssl_.get());
  const char *text = ERR_reason_error_string(code);
  if (from_tls && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    fault_ = "connection closed without close_notify";
  } else if (from_tls && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    fault_ = std::string("certificate verify failed: ") + X509_verify_cert_error_string(verdict);
  } else if (text != nullptr) {
    fault_ = text;
  } else {
    fault_ = sys_errno != 0 ? std::strerror(sys_errno) : "connection closed";
  }
  ERR_clear_error();
}

void TlsStream::close_notify() noexcept {
  if (end_.status == IoStatus::failed || handshaking()) return;
  ERR_clear_error();
  (void)SSL_shutdown(ssl_.get());  // ignoring: one that does not fit into the socket is lost
  ERR_clear_error();
}

bool TlsStream::handshaking() const noexcept { return SSL_is_init_finished(ssl_.get()) == 0; }

bool TlsStream::heard() const noexcept { return BIO_number_read(SSL_get_rbio(ssl_.get())) > 0; }

bool TlsStream::resumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }

std::string_view TlsStream::server_name() const noexcept {
  const char *name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? std::string_view(name) : std::string_view();
}

int TlsStream::on_server_name_c(ssl_st *ssl, int *, void *) noexcept {
  auto *self = static_cast<TlsStream *>(SSL_get_app_data(ssl));
  const std::string_view name = self->server_name();
  if (name.empty() || self->chooser_.choose == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const TlsContext chosen = self->chooser_.choose(self->chooser_.self, name);
  if (chosen) (void)SSL_set_SSL_CTX(ssl, chosen.get());  // ignoring: keeps the default's
  return SSL_TLSEXT_ERR_OK;
}

int TlsStream::on_new_session_c(ssl_st *ssl, ssl_session_st *session) noexcept {
  auto *self = static_cast<TlsStream *>(SSL_get_app_data(ssl));
  if (self->slot_ == nullptr || self->slot_->context != SSL_get_SSL_CTX(ssl)) return 0;
  self->slot_->session.reset(session);
  return 1;  // it is ours now
}

}  // namespace holdfast::proxy
