// What the objects of one worker share: scratch space that is valid for one callback only, and the
// base of everything whose destruction is deferred to the end of the loop turn. Worker thread only.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/message.h"
#include "proxy/net/gather.h"
#include "proxy/net/read_size.h"

namespace holdfast::proxy {

// Given to Worker::bury instead of being destroyed inside one of its own callbacks.
class Buried {
 public:
  virtual ~Buried() = default;
};

// Reused by every callback, so that steady state neither allocates nor keeps buffers per
// connection. Nothing in it survives the callback that filled it.
struct Scratch {
  std::array<char, kReadBytesMax> receive;
  http::RequestHead request;
  http::ResponseHead response;
  Gather client_gather;                  // one gathered write towards a client
  Gather backend_gather;                 // and one towards a backend
  std::vector<std::string_view> pieces;  // decoded body pieces of one read
  std::string client_head;               // heads written towards the client
  std::string backend_head;
};

}  // namespace holdfast::proxy
