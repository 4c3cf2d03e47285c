// The status page: status_page.html, embedded at build time, and the Content-Security-Policy that
// lets exactly its own script and style run. Constant data; any thread.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::sessiond {

std::string_view status_page() noexcept;

// `default-src 'none'; …` with the SHA-256 of the page's one script and one style.
const std::string &status_page_policy();

}  // namespace holdfast::sessiond
