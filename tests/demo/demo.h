// The demo backend put together: one HTTP listener, all three protocol eras, the tests' control
// door. Single thread; ends at SIGTERM or SIGINT.
#pragma once

#include <cstdint>
#include <memory>

#include "common/result.h"
#include "tests/demo/control.h"
#include "tests/demo/legacy.h"
#include "tests/demo/modern.h"
#include "tests/demo/streamable.h"

namespace holdfast::demo {

class Demo {
 public:
  // Binds the listener. Errc::io when that fails.
  static Result<std::unique_ptr<Demo>> create(const Options &options);
  struct Key {  // only create() can name one
   private:
    friend class Demo;
    Key() = default;
  };
  Demo(Key, const Options &options);
  Demo(const Demo &) = delete;
  Demo &operator=(const Demo &) = delete;

  uint16_t port() const { return port_; }
  // Serves until a signal.
  void run();

 private:
  static void on_request_c(evhttp_request *req, void *self) noexcept {
    static_cast<Demo *>(self)->on_request(req);
  }
  static void on_signal_c(evutil_socket_t, short, void *self) noexcept {
    event_base_loopbreak(static_cast<Demo *>(self)->base_.get());
  }
  void on_request(evhttp_request *req);
  void on_post(evhttp_request *req, const Target &target);
  void on_get_or_delete(evhttp_request *req, const Target &target);
  void on_stream_closed(const StreamInfo &info);

  Options options_;
  EventBasePtr base_;
  Later later_;
  EventStreams streams_;
  Sessions sessions_;
  Exchanges exchanges_;
  Notices notices_;
  Tools tools_;
  Rpc rpc_;
  Journal journal_;
  Streamable streamable_;
  Modern modern_;
  Legacy legacy_;
  Control control_;
  EventPtr on_term_;
  EventPtr on_int_;
  uint64_t posts_count_ = 0;
  uint16_t port_ = 0;
  EvhttpPtr http_;  // last: its connections report their end to the members above
};

}  // namespace holdfast::demo
