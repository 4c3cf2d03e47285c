// What the management API answers: one row per path and method. Knows nothing of HTTP's bytes: a
// request that was parsed goes in, a complete answer comes out, at once. Loop thread only.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sessiond/service.h"

namespace holdfast::sessiond {

// Sessions in one answer: ten thousand rows would kill a status page.
inline constexpr size_t kApiSessionsMax = 200;

struct ApiRequest {
  std::string_view method;   // GET, HEAD, POST, or anything else
  std::string path;          // as sent, below the location: "/health"
  std::string query;         // without the question mark
  bool with_users = false;   // X-Holdfast-Users: 1; the proxy decides who may see user names
  bool admin_level = false;  // X-Holdfast-Level: admin; the proxy says what its location allows
  bool admin_asked = false;  // X-Holdfast-Admin: 1; no foreign page can send it unasked
};

struct ApiResponse {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string body;
  std::vector<std::pair<const char *, std::string>> fields;  // further header fields
};

// HEAD is answered like GET; the caller leaves the body out.
ApiResponse handle_api_request(Service &service, const ApiRequest &request);

// The decoded value of a query's parameter; empty when it is absent or badly encoded.
std::string query_value(std::string_view query, std::string_view name);

}  // namespace holdfast::sessiond
