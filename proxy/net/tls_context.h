// What TLS connections share: certificates, keys, trust and rules, as OpenSSL's SSL_CTX. Built from
// PEM texts while a configuration is loaded (the files were read by whoever may), immutable
// afterwards and used by all worker threads. A TlsContext is a handle: copies share one SSL_CTX,
// the last one frees it, so that a connection may outlive the configuration it came by.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ev_ptr.h"
#include "common/result.h"

struct ssl_ctx_st;
struct x509_st;
struct evp_pkey_st;
extern "C" {
void SSL_CTX_free(ssl_ctx_st *);
void X509_free(x509_st *);
void EVP_PKEY_free(evp_pkey_st *);
}

namespace holdfast::proxy {

using X509Ptr = std::unique_ptr<x509_st, CDeleter<X509_free>>;
using KeyPtr = std::unique_ptr<evp_pkey_st, CDeleter<EVP_PKEY_free>>;
using CertificateChain = std::vector<X509Ptr>;  // the peer's own first

// The certificates of a PEM text, in its order, at least one. Errc::config.
Result<CertificateChain> parse_certificates(std::string_view pem);
// The one private key of a PEM text. Errc::config; a key under a passphrase is one we cannot use.
Result<KeyPtr> parse_private_key(std::string_view pem);

// SHA-256: to tell texts apart without keeping them.
std::string digest_of(std::string_view text);

// TLS 1.2 and 1.3 are all we speak.
struct TlsVersions {
  bool tls12 = true;
  bool tls13 = true;
};

class TlsContext {
 public:
  TlsContext() = default;  // none
  static TlsContext server();
  static TlsContext client();
  TlsContext(const TlsContext &other) noexcept;
  TlsContext(TlsContext &&) noexcept = default;
  TlsContext &operator=(TlsContext other) noexcept;
  ~TlsContext() = default;

  explicit operator bool() const noexcept { return context_ != nullptr; }
  ssl_ctx_st *get() const noexcept { return context_.get(); }

  // ---- while it is built; REQUIRES: bool(*this) ----
  // What we show as ours. Errc::config: the key is not the certificate's.
  Result<void> use(const CertificateChain &chain, const KeyPtr &key);
  void set_versions(TlsVersions versions);
  // OpenSSL's cipher list for TLS 1.2; those of TLS 1.3 are all good. Errc::config: none is known.
  Result<void> set_ciphers(const std::string &list);
  void prefer_own_ciphers();
  // Stateless resumption: whether tickets are given, and how long they are good for.
  void set_tickets(bool on, std::chrono::seconds lifetime);
  // Client side: peers must show a certificate that one of these authorities has signed.
  void trust(const CertificateChain &authorities);

 private:
  explicit TlsContext(ssl_ctx_st *context) : context_(context) {}
  std::unique_ptr<ssl_ctx_st, CDeleter<SSL_CTX_free>> context_;
};

}  // namespace holdfast::proxy
