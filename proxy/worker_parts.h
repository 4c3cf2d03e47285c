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
  // A chunk whose data is being gathered: its size line is written when all of it is there.
  struct OpenChunk {
    size_t from_bytes = 0;  // gathered before it
    size_t place = 0;       // of its size line
  };

  std::array<char, kReadBytesMax> receive;
  http::RequestHead request;
  http::ResponseHead response;
  Gather client_gather;                  // one gathered write towards a client
  OpenChunk client_chunk;                // in it, while its exchange says so
  Gather backend_gather;                 // and one towards a backend
  std::vector<std::string_view> pieces;  // decoded body pieces of one read
  std::string client_head;               // heads written towards the client
  std::string backend_head;
};

}  // namespace holdfast::proxy
