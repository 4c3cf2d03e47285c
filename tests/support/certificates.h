// An authority that lives for one test, and the certificates it signs: nothing to expire in the
// repository, no private key in it. PEM texts. One thread at a time.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/ev_ptr.h"

struct evp_pkey_st;
struct x509_st;
extern "C" {
void EVP_PKEY_free(evp_pkey_st *);
void X509_free(x509_st *);
}

namespace holdfast::test {

// What a server shows: its certificate and the key to it.
struct Identity {
  std::string certificate;
  std::string key;
};

class Authority {
 public:
  explicit Authority(const std::string &name = "Holdfast test authority");

  const std::string &pem() const { return pem_; }
  // For host names and addresses ("DNS:a.example", "IP:127.0.0.1"); the first one names it. One
  // that ends before it begins, a negative `lifetime`, has expired.
  Identity issue(const std::vector<std::string> &names,
                 std::chrono::seconds lifetime = std::chrono::hours{1}) const;

 private:
  using Key = std::unique_ptr<evp_pkey_st, CDeleter<EVP_PKEY_free>>;
  using Certificate = std::unique_ptr<x509_st, CDeleter<X509_free>>;
  static Key make_key();
  static Certificate make_certificate(const std::string &name, const Key &key,
                                      std::chrono::seconds lifetime);

  Key key_;
  Certificate certificate_;
  std::string pem_;
};

}  // namespace holdfast::test
