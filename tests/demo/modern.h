// The sessionless era, 2026-07-28: POST only, every request names its protocol version, listen
// streams instead of sessions. Owned by Demo. Loop thread only.
#pragma once

#include "tests/demo/rpc.h"

namespace holdfast::demo {

class Modern {
 public:
  Modern(EventStreams &streams, Exchanges &exchanges, Notices &notices, Rpc &rpc)
      : streams_(streams), exchanges_(exchanges), notices_(notices), rpc_(rpc) {}

  // Whether a request belongs to this era: its header or its body names a version from 2026 on.
  // `message` may be nullptr (GET and DELETE).
  static bool claims(evhttp_request *req, const json_t *message);

  // REQUIRES: claims(req, message). Answers `req` now or later.
  void on_post(evhttp_request *req, const json_t *message);

 private:
  // The checks the specification asks of a server that reads the body. False: answered.
  static bool check_headers(evhttp_request *req, const json_t *message);
  void listen(evhttp_request *req, const json_t *id, const json_t *params);

  EventStreams &streams_;
  Exchanges &exchanges_;
  Notices &notices_;
  Rpc &rpc_;
};

}  // namespace holdfast::demo
