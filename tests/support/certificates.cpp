#include "tests/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "tests/support/hf_test.h"

namespace holdfast::test {
namespace {

using BioPtr = std::unique_ptr<BIO, CDeleter<BIO_free>>;

std::string text_of(const BioPtr &bio) {
  char *data = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(bytes));
}

std::string pem_of(X509 *certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  HF_EQ(PEM_write_bio_X509(bio.get(), certificate), 1);
  return text_of(bio);
}

std::string pem_of(EVP_PKEY *key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  HF_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  return text_of(bio);
}

void add_extension(X509 *certificate, int id, const std::string &value) {
  const std::unique_ptr<X509_EXTENSION, CDeleter<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str()));
  HF_CHECK(extension != nullptr);
  HF_EQ(X509_add_ext(certificate, extension.get(), -1), 1);
}

}  // namespace

Authority::Key Authority::make_key() {
  Key key(EVP_EC_gen("P-256"));
  HF_CHECK(key != nullptr);
  return key;
}

Authority::Certificate Authority::make_certificate(const std::string &name, const Key &key,
                                                   std::chrono::seconds lifetime) {
  Certificate made(X509_new());
  HF_EQ(X509_set_version(made.get(), X509_VERSION_3), 1);
  uint64_t serial = 0;
  HF_EQ(RAND_bytes(static_cast<unsigned char *>(static_cast<void *>(&serial)), sizeof serial), 1);
  HF_EQ(ASN1_INTEGER_set_uint64(X509_get_serialNumber(made.get()), serial >> 1), 1);
  X509_NAME *subject = X509_get_subject_name(made.get());
  const auto *bytes = static_cast<const unsigned char *>(static_cast<const void *>(name.c_str()));
  HF_EQ(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, bytes, -1, -1, 0), 1);
  HF_CHECK(X509_gmtime_adj(X509_getm_notBefore(made.get()), -24 * 3600) != nullptr);
  HF_CHECK(X509_gmtime_adj(X509_getm_notAfter(made.get()), lifetime.count()) != nullptr);
  HF_EQ(X509_set_pubkey(made.get(), key.get()), 1);
  return made;
}

Authority::Authority(const std::string &name)
    : key_(make_key()), certificate_(make_certificate(name, key_, std::chrono::hours{1})) {
  X509 *own = certificate_.get();
  HF_EQ(X509_set_issuer_name(own, X509_get_subject_name(own)), 1);
  add_extension(own, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(own, NID_key_usage, "critical,keyCertSign");
  HF_CHECK(X509_sign(own, key_.get(), EVP_sha256()) > 0);
  pem_ = pem_of(own);
}

Identity Authority::issue(const std::vector<std::string> &names,
                          std::chrono::seconds lifetime) const {
  const Key key = make_key();
  const Certificate made =
      make_certificate(names.front().substr(names.front().find(':') + 1), key, lifetime);
  HF_EQ(X509_set_issuer_name(made.get(), X509_get_subject_name(certificate_.get())), 1);
  std::string all;
  for (const std::string &name : names) all += (all.empty() ? "" : ",") + name;
  add_extension(made.get(), NID_subject_alt_name, all);
  HF_CHECK(X509_sign(made.get(), key_.get(), EVP_sha256()) > 0);
  return {pem_of(made.get()), pem_of(key.get())};
}

}  // namespace holdfast::test
