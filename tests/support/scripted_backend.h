// A TCP server that does exactly what a script says: the place for answers no honest server gives.
// Each connection runs the script on a thread of its own; what was received is recorded. The script
// must end when its peer is gone: every wait of Peer does.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/connection.h"
#include "tests/support/gate.h"

namespace holdfast::test {

// The proxy's connection as the script sees it.
class Peer {
 public:
  Peer(UniqueFd fd, size_t number) : connection_(std::move(fd)), number_(number) {}

  // Head and body (by its framing, not decoded) of the next request; empty when the peer left.
  std::string read_request(Millis timeout = kSoon);
  // Until what has come contains `text`, complete request or not; false when the peer left before.
  bool wait_bytes(std::string_view text, Millis timeout = kSoon);
  // Everything in `bytes`; false when the peer does not take it.
  bool send(std::string_view bytes);
  // What the kernel takes of `bytes` without waiting; waits for room when it takes none.
  size_t send_some(std::string_view bytes, Millis room_timeout);
  const std::string &seen() { return connection_.buffer(); }  // not yet read as a request
  // A complete answer with Content-Length.
  bool answer(int status, std::string_view content_type, std::string_view body,
              std::string_view more_headers = {});
  // Until the peer closes; false when it does not in time.
  bool wait_closed(Millis timeout = kSoon);
  void close();                              // FIN
  void reset();                              // RST
  size_t number() const { return number_; }  // of the connection, from 0

 private:
  friend class ScriptedBackend;
  void interrupt();  // from the server's thread: all waits end

  std::mutex mutex_;  // guards the descriptor's life against interrupt()
  Connection connection_;
  size_t number_;
};

class ScriptedBackend {
 public:
  using Script = std::function<void(Peer &)>;

  explicit ScriptedBackend(Script script);
  ~ScriptedBackend();
  ScriptedBackend(const ScriptedBackend &) = delete;
  ScriptedBackend &operator=(const ScriptedBackend &) = delete;

  uint16_t port() const { return port_; }
  size_t connections_count() const;
  std::vector<std::string> requests() const;  // every request read so far, in order of arrival
  // What a script threw, empty when all went well. Check it at the end of a test.
  std::string failure() const;

 private:
  struct Running {
    Running(UniqueFd fd, size_t number) : peer(std::move(fd), number) {}
    Peer peer;
    std::thread thread;
  };
  friend class Peer;
  void accept_all();
  void run(Peer &peer);

  Script script_;
  uint16_t port_ = 0;  // before the socket whose binding sets it
  UniqueFd listener_;

  mutable std::mutex mutex_;  // guards what follows
  std::list<Running> running_;
  std::vector<std::string> requests_;
  std::string failure_;

  std::thread acceptor_;  // last: uses all of the above
};

// A port of 127.0.0.1 nobody listens on, kept bound while the object lives: connecting is refused.
// A program that asks for this very port (with SO_REUSEADDR) gets it, and may come and go: nobody
// else is given it meanwhile.
class RefusingPort {
 public:
  RefusingPort();
  uint16_t port() const { return port_; }

 private:
  uint16_t port_ = 0;  // before the socket whose binding sets it
  UniqueFd fd_;
};

}  // namespace holdfast::test
