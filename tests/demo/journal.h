// What the backend has been asked: counters and the last request of each kind, so that a test can
// see what a proxy in between forwarded. A kind is the JSON-RPC method, "(response)" for a client's
// answer, or the HTTP method and endpoint ("GET /mcp"). Owned by Demo. Loop thread only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "tests/demo/http_io.h"

namespace holdfast::demo {

class Journal {
 public:
  void note(std::string_view kind, evhttp_request *req, std::string_view body);

  JsonPtr counts() const;  // {"tools/call": 3, …}
  // {"tools/call": {"target": "/mcp", "http_method": "POST", "headers": {lower-case name: value},
  //  "body": first 64 KiB, "body_bytes": n}}; values of a repeated header are joined with ", ".
  JsonPtr last() const;

 private:
  struct Kind {
    uint64_t count = 0;
    std::string http_method;
    std::string target;
    std::map<std::string, std::string> headers;
    std::string body;
    size_t body_bytes = 0;
  };
  std::map<std::string, Kind, std::less<>> kinds_;
};

}  // namespace holdfast::demo
