// The listening sockets as the master keeps them: one per address and worker (SO_REUSEPORT), a Unix
// socket shared by all. They outlive serving processes and reloads, so that a port that lives never
// loses a queued connection. Master thread only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "proxy/config.h"

namespace holdfast::proxy {

// One listener's sockets, worker by worker. Borrowed.
struct ListenerSockets {
  std::string text;
  std::vector<int> fds;
};

class ListeningSockets {
 public:
  // Opens what `config` listens on and is not open yet; on failure nothing has changed and the
  // error names the address. Sockets no longer configured are closed by prune().
  Result<void> open(const Config &config, unsigned workers);
  void prune(const Config &config);
  // Sockets another process of ours has open, too (upgrade.h), worker by worker; open() finds them
  // by text or by address. Until own_inherited() they are its own: nothing of them is unlinked.
  // Further ones of the same text go behind. Errc::protocol: they do not listen.
  Result<void> inherit(const std::string &text, std::vector<UniqueFd> fds);
  void own_inherited();
  // All that is open, configured or not. Borrowed.
  std::vector<ListenerSockets> all() const;
  // Worker by worker, in the order of config.listeners. Borrowed.
  std::vector<int> fds(const Config &config, unsigned workers) const;
  // The addresses as bound (port 0 resolved), in the order of config.listeners.
  std::vector<std::string> bound(const Config &config) const;
  // Closes everything and unlinks nothing: another process serves on the same sockets.
  void leave_to_other();
  ListeningSockets() = default;
  ~ListeningSockets();
  ListeningSockets(const ListeningSockets &) = delete;
  ListeningSockets &operator=(const ListeningSockets &) = delete;

 private:
  struct Entry {
    std::vector<UniqueFd> fds;  // one a worker; a Unix socket has one
    std::string bound;
    std::string path;  // of a Unix socket, else empty
    bool inherited = false;
  };
  static Result<Entry> open_one(const Listener &listener, unsigned workers);
  std::optional<Entry> share_bound(const Listener &listener) const;
  static void unlink_path(const Entry &entry);
  std::map<std::string, Entry> open_;  // by Listener::text
};

}  // namespace holdfast::proxy
