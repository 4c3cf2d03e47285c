// The endpoint rewriter over any bytes: what comes out is always a request target of the backend's
// own origin, and no log line keeps a session id.
// Input: the event's value, then after a line feed the path of the stream's GET.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "proxy/mcp/endpoint_rewrite.h"

using holdfast::Result;
using holdfast::proxy::mcp::mask_session_ids;
using holdfast::proxy::mcp::resolve_endpoint;
using holdfast::proxy::mcp::session_id_in_query;

static void require(bool holds, const char *what) {
  if (holds) return;
  (void)std::fprintf(stderr, "fuzz_endpoint: %s\n", what);
  std::abort();
}

static const std::string_view kOwn[] = {"127.0.0.1:8080", "mcp.example", "[::1]"};

static void check_target(const std::string &target) {
  require(target.starts_with('/'), "the target has no path");
  require(std::all_of(target.begin(), target.end(),
                      [](char c) { return c > 0x20 && c < 0x7F && c != '#'; }),
          "the target has a byte a request must not have");
  std::string_view path = std::string_view(target).substr(0, target.find('?'));
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    require(segment != "." && segment != ".." && segment != "%2e" && segment != ".%2e" &&
                segment != "%2E%2e",
            "the path has a dot segment");
    path.remove_prefix(segment.size());
  }
  if (target.starts_with("//")) return;  // as a reference of its own that names a host
  const Result<std::string> again = resolve_endpoint(target, "/elsewhere", kOwn, std::size(kOwn));
  require(again && *again == target, "the target does not resolve to itself");
}

static void check_foreign(std::string_view value) {
  const std::string_view rest = value.substr(std::min(value.size(), value.find("://") + 3));
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const bool own = std::any_of(std::begin(kOwn), std::end(kOwn), [&](std::string_view host) {
    const std::string_view name =
        host.substr(0, host.starts_with('[') ? host.find(']') + 1 : host.find(':'));
    return authority.size() >= name.size() &&
           std::equal(name.begin(), name.end(), authority.begin(),
                      [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
  });
  require(own, "another host was accepted");
}

static void check_mask(std::string_view text) {
  const std::string masked = mask_session_ids(text);
  require(mask_session_ids(masked) == masked, "masking twice differs");
  const std::string_view id = session_id_in_query(text);
  const bool of_a_target =
      std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7F && c != '#'; });
  if (id.size() <= 8 || !of_a_target) return;
  const auto id_end = static_cast<size_t>(id.data() - text.data()) + id.size();
  const std::string query = "&" + std::string(text.substr(0, id_end));
  const std::string parameter = query.substr(query.rfind('&'));
  require(("&" + masked).find(parameter) == std::string::npos, "a session id is not masked");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view input(static_cast<const char *>(static_cast<const void *>(data)), size);
  const std::string_view value = input.substr(0, input.find('\n'));
  const std::string_view path = input.substr(std::min(size, value.size() + 1));
  const Result<std::string> target =
      resolve_endpoint(value, path.empty() ? "/sse" : path, kOwn, std::size(kOwn));
  if (target) {
    check_target(*target);
    if (value.starts_with("http:") || value.starts_with("https:")) check_foreign(value);
  }
  check_mask(input);
  return 0;
}
