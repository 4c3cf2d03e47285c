#include "sessiond/status_page.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>

#include "sessiond/status_page_html.h"

namespace holdfast::sessiond {
namespace {

// What stands between the page's one `<tag>` and its `</tag>`: what a browser hashes.
std::string_view element_text(std::string_view page, const std::string &tag) {
  const size_t start = page.find("<" + tag + ">");
  const size_t end = page.find("</" + tag + ">");
  if (start == std::string_view::npos || end == std::string_view::npos) return {};
  const size_t from = start + tag.size() + 2;
  return page.substr(from, end - from);
}

std::string sha256_source(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  const void *bytes = text.data();
  SHA256(static_cast<const unsigned char *>(bytes), text.size(), digest.data());
  std::array<unsigned char, 4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1> base64{};
  EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(digest.size()));
  const void *encoded = base64.data();
  return std::string("'sha256-") + static_cast<const char *>(encoded) + "'";
}

std::string make_policy() {
  const std::string_view page = status_page();
  return "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; "
         "form-action 'none'; frame-ancestors 'none'; script-src " +
         sha256_source(element_text(page, "script")) + "; style-src " +
         sha256_source(element_text(page, "style"));
}

}  // namespace

std::string_view status_page() noexcept { return kStatusPageHtml; }

const std::string &status_page_policy() {
  static const std::string policy = make_policy();
  return policy;
}

}  // namespace holdfast::sessiond
