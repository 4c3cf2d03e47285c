// Everything that can go wrong under load, by kind. Any figure but zero is reported.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace holdfast::bench {

struct LoadErrors {
  uint64_t connect = 0;
  uint64_t tls = 0;  // no handshake, or not with whom it should be
  uint64_t closed = 0;
  uint64_t malformed = 0;
  uint64_t wrong_id = 0;
  uint64_t no_session = 0;
  uint64_t short_body = 0;
  uint64_t lost = 0;
  uint64_t reordered = 0;
  uint64_t stuck = 0;
  uint64_t not_ready = 0;
  std::map<int, uint64_t> status;

  uint64_t total() const;
  std::string text() const;  // "closed=1 http_503=2", or "none"
};

}  // namespace holdfast::bench
