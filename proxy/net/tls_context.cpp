#include "proxy/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <new>

#include "proxy/net/tls_stream.h"

namespace holdfast::proxy {

namespace {

using BioPtr = std::unique_ptr<BIO, CDeleter<BIO_free>>;

// Only HTTP/1.1 is spoken here; a client that insists on something else is told so at once.
constexpr std::array<unsigned char, 9> kAlpn = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

constexpr uint64_t kOptions = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;
// Partial writes because a rest is kept by us, moving buffers because it is kept elsewhere, and no
// buffers while a connection is silent.
constexpr long kModes =
    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS;

Error config_error(std::string message) { return Error{Errc::config, 0, std::move(message)}; }

// What OpenSSL has to say about the last failure, and an empty queue.
std::string last_reason() {
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "unknown error";
}

BioPtr memory_of(std::string_view pem) {
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!bio) throw std::bad_alloc();
  return bio;
}

int no_passphrase(char *, int, int, void *) { return -1; }

int choose_alpn(SSL *, const unsigned char **out, unsigned char *out_bytes,
                const unsigned char *offered, unsigned int offered_bytes, void *) {
  unsigned char *chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_bytes, kAlpn.data(), kAlpn.size(), offered, offered_bytes);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

SSL_CTX *make(const SSL_METHOD *method) {
  SSL_CTX *context = SSL_CTX_new(method);
  if (context == nullptr) throw std::bad_alloc();
  (void)SSL_CTX_set_options(context, kOptions);
  (void)SSL_CTX_set_mode(context, kModes);
  // One recv() for all that has come: TlsStream::read drains what is buffered.
  SSL_CTX_set_read_ahead(context, 1);
  (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  return context;
}

}  // namespace

Result<CertificateChain> parse_certificates(std::string_view pem) {
  ERR_clear_error();
  const BioPtr bio = memory_of(pem);
  CertificateChain chain;
  while (X509 *certificate = PEM_read_bio_X509_AUX(bio.get(), nullptr, &no_passphrase, nullptr)) {
    chain.emplace_back(certificate);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = last_reason();
  if (chain.empty() && at_end) return config_error("it holds no certificate in PEM form");
  if (!at_end) return config_error(reason);
  return chain;
}

Result<KeyPtr> parse_private_key(std::string_view pem) {
  ERR_clear_error();
  const BioPtr bio = memory_of(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_passphrase, nullptr));
  if (key) return key;
  const std::string reason = last_reason();
  if (pem.find("ENCRYPTED") != std::string_view::npos) {
    return config_error(
        "the key is under a passphrase; take it off: openssl pkey -in KEY -out NEW");
  }
  if (pem.find("PRIVATE KEY-----") == std::string_view::npos)
    return config_error("it holds no private key in PEM form");
  return config_error(reason);
}

std::string digest_of(std::string_view text) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int bytes = 0;
  auto *out = static_cast<unsigned char *>(static_cast<void *>(digest.data()));
  if (EVP_Digest(text.data(), text.size(), out, &bytes, EVP_sha256(), nullptr) != 1)
    throw std::bad_alloc();
  digest.resize(bytes);
  return digest;
}

TlsContext TlsContext::server() {
  SSL_CTX *context = make(TLS_server_method());
  SSL_CTX_set_alpn_select_cb(context, &choose_alpn, nullptr);
  (void)SSL_CTX_set_tlsext_servername_callback(context, &TlsStream::on_server_name_c);
  (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return TlsContext(context);
}

TlsContext TlsContext::client() {
  SSL_CTX *context = make(TLS_client_method());
  if (SSL_CTX_set_alpn_protos(context, kAlpn.data(), kAlpn.size()) != 0) throw std::bad_alloc();
  // Sessions are kept where the connections are, one a backend and worker.
  (void)SSL_CTX_set_session_cache_mode(context,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context, &TlsStream::on_new_session_c);
  return TlsContext(context);
}

TlsContext::TlsContext(const TlsContext &other) noexcept : context_(other.context_.get()) {
  if (context_) (void)SSL_CTX_up_ref(context_.get());  // ignoring: only fails for a freed one
}

TlsContext &TlsContext::operator=(TlsContext other) noexcept {
  context_.swap(other.context_);
  return *this;
}

Result<void> TlsContext::use(const CertificateChain &chain, const KeyPtr &key) {
  ERR_clear_error();
  SSL_CTX *context = context_.get();
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return config_error("the key is not that of the certificate");
  }
  bool ok = SSL_CTX_use_certificate(context, chain.front().get()) == 1 &&
            SSL_CTX_use_PrivateKey(context, key.get()) == 1;
  for (size_t i = 1; i < chain.size() && ok; ++i) {
    ok = SSL_CTX_add1_chain_cert(context, chain[i].get()) == 1;
  }
  if (!ok) return config_error(last_reason());
  return {};
}

void TlsContext::set_versions(TlsVersions versions) {
  SSL_CTX *context = context_.get();
  (void)SSL_CTX_set_min_proto_version(context, versions.tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  (void)SSL_CTX_set_max_proto_version(context, versions.tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
}

Result<void> TlsContext::set_ciphers(const std::string &list) {
  ERR_clear_error();
  if (SSL_CTX_set_cipher_list(context_.get(), list.c_str()) == 1) return {};
  return config_error(last_reason());
}

void TlsContext::prefer_own_ciphers() {
  (void)SSL_CTX_set_options(context_.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
}

void TlsContext::set_tickets(bool on, std::chrono::seconds lifetime) {
  SSL_CTX *context = context_.get();
  if (!on) {
    (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_num_tickets(context, 0);
  }
  (void)SSL_CTX_set_timeout(context, static_cast<long>(lifetime.count()));
}

void TlsContext::trust(const CertificateChain &authorities) {
  X509_STORE *store = SSL_CTX_get_cert_store(context_.get());
  for (const X509Ptr &authority : authorities) {
    (void)X509_STORE_add_cert(store, authority.get());  // ignoring: one that stands twice
  }
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
}

}  // namespace holdfast::proxy
