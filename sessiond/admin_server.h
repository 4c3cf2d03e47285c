// The admin socket (PROTOCOL.md section 2): accepts connections, splits their lines into commands,
// runs one at a time (admin_commands.h) and writes the answers. A connection without a prompt is
// closed after its first line; a slow reader holds back only its own answer. Loop thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/unix_listener.h"
#include "sessiond/admin_commands.h"

namespace holdfast::sessiond {

class AdminServer {
 public:
  // Binds the socket; the errors are UnixSocket::bind's. Borrows base and service, which must
  // outlive *this and call nothing back after it is gone.
  static Result<std::unique_ptr<AdminServer>> create(event_base *base, const SocketOptions &options,
                                                     Service &service);
  AdminServer(event_base *base, std::unique_ptr<UnixSocket> socket, Service &service);
  ~AdminServer();
  AdminServer(const AdminServer &) = delete;
  AdminServer &operator=(const AdminServer &) = delete;

  size_t connections_count() const noexcept { return connections_.size(); }

 private:
  class Connection;
  using ConnectionId = uint64_t;

  void on_accept(UniqueFd fd, const AdminPeer &peer);
  bool make_room();
  // Goes on with the connection's next command, unless one is under way.
  void run(ConnectionId id);
  void on_answer(ConnectionId id, AdminAnswer answer);

  event_base *base_;
  Service &service_;
  std::unique_ptr<UnixSocket> socket_;
  std::unique_ptr<UnixListener> listener_;
  std::map<ConnectionId, std::unique_ptr<Connection>> connections_;  // oldest first
  ConnectionId next_id_ = 1;
};

}  // namespace holdfast::sessiond
