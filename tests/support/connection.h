// A blocking client socket with deadlines, for tests that care about bytes: what was sent, what
// came back, and how it ended. TCP to 127.0.0.1 or a Unix socket. One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/unique_fd.h"
#include "tests/support/deadline.h"

namespace holdfast::test {

// How the peer's side of a connection stands.
enum class PeerEnd { open, fin, reset };

class Connection {
 public:
  // Each fails the test when the peer does not accept.
  static Connection tcp(uint16_t port, const std::string &host = "127.0.0.1");
  static Connection unix_socket(const std::string &path);
  explicit Connection(UniqueFd fd) : fd_(std::move(fd)) {}  // takes a connected socket

  // Sends all of it; fails the test when the peer does not take it in time.
  void send(std::string_view bytes, Millis timeout = kSoon);
  // Sends what the kernel takes without waiting; how many bytes that was. For readers that block.
  size_t send_some(std::string_view bytes);

  // Waits for more and appends it to buffer(). False at the peer's end (see end()); fails the test
  // when neither comes in time.
  bool fill(Millis timeout = kSoon);
  // Whether more (or the end) comes within `timeout`; reads nothing.
  bool readable(Millis timeout) const;
  // Reads until the peer's end; fails the test when it does not come.
  PeerEnd wait_end(Millis timeout = kSoon);

  std::string &buffer() { return buffer_; }  // received and not yet taken
  PeerEnd end() const { return end_; }

  void shutdown_write();                     // FIN, reading goes on
  void close() { fd_.reset(); }              // FIN
  void reset();                              // RST
  void set_receive_window(int bytes) const;  // SO_RCVBUF: a reader that soon blocks
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::string buffer_;
  PeerEnd end_ = PeerEnd::open;
};

}  // namespace holdfast::test
